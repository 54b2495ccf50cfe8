sealift_fuzz(ledger_receipt ledger)
