sealift_fuzz(domain_submit domain)
