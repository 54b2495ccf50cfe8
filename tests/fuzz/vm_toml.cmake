sealift_fuzz(vm_toml hypervisor)
