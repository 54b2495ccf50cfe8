sealift_fuzz(ledger_head ledger)
