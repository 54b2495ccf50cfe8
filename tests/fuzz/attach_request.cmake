sealift_fuzz(attach_request base crypto net transport)
