sealift_fuzz(frame_header base crypto net)
