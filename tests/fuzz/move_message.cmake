sealift_fuzz(move_message migrate)
