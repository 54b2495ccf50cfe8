sealift_fuzz(domain_proposals domain)
