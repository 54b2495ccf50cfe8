sealift_fuzz(return_path migrate)
