sealift_fuzz(balance_config balance)
