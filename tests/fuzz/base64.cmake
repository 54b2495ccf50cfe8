sealift_fuzz(base64 base)
