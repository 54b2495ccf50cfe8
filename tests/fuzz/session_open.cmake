sealift_fuzz(session_open base crypto net transport)
