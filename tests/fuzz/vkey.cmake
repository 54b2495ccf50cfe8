sealift_fuzz(vkey crypto)
