sealift_fuzz(rpc_answer base crypto net)
