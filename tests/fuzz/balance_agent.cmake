sealift_fuzz(balance_agent balance)
