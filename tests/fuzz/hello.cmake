sealift_fuzz(hello base crypto net)
