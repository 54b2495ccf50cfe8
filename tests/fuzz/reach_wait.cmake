sealift_fuzz(reach_wait base crypto net)
