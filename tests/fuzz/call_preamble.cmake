sealift_fuzz(call_preamble base crypto net)
