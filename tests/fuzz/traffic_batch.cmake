sealift_fuzz(traffic_batch traffic)
