sealift_fuzz(move_progress migrate)
