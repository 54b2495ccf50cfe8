sealift_fuzz(error_wire base crypto net)
