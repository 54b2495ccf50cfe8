sealift_fuzz(stream_positions base crypto net transport)
