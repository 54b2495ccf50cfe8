sealift_fuzz(leaf_table_header image)
