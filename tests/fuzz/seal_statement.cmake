sealift_fuzz(seal_statement migrate)
