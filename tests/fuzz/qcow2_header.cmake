sealift_fuzz(qcow2_header image)
