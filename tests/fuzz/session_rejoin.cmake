sealift_fuzz(session_rejoin base crypto net transport)
