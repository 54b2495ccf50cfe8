sealift_fuzz(merkle crypto)
