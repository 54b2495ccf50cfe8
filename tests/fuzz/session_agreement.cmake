sealift_fuzz(session_agreement base crypto net transport)
