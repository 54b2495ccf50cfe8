sealift_fuzz(qmp hypervisor)
