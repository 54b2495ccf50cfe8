sealift_fuzz(custody_state migrate)
