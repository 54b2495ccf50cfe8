sealift_fuzz(rpc_request base crypto net)
