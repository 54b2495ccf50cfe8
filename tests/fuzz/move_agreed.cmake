sealift_fuzz(move_agreed migrate)
