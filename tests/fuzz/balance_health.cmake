sealift_fuzz(balance_health balance)
