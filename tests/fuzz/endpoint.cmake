sealift_fuzz(endpoint base crypto net)
