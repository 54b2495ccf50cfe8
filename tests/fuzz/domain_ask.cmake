sealift_fuzz(domain_ask domain)
