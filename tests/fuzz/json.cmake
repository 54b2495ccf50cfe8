sealift_fuzz(json base)
