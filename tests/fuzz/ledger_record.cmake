sealift_fuzz(ledger_record ledger)
