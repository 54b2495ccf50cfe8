sealift_fuzz(note crypto)
