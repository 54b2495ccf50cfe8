sealift_fuzz(disk_record migrate)
