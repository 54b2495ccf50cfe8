sealift_fuzz(manifest image)
