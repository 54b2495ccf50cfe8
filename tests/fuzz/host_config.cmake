sealift_fuzz(host_config host)
