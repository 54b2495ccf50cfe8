sealift_fuzz(domain_answer domain)
