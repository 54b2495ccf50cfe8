sealift_fuzz(domain_propose domain)
