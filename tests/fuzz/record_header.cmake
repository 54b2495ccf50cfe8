sealift_fuzz(record_header base crypto net transport)
