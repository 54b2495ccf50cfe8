sealift_fuzz(dsse crypto)
