sealift_fuzz(hex crypto)
