sealift_fuzz(checkpoint crypto)
