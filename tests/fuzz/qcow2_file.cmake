sealift_fuzz(qcow2_file image)
