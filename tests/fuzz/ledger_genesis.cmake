sealift_fuzz(ledger_genesis ledger)
