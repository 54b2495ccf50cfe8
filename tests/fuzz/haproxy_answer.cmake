sealift_fuzz(haproxy_answer traffic)
