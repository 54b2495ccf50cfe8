sealift_fuzz(domain_head domain)
