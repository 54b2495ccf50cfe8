sealift_fuzz(ledger_block ledger)
