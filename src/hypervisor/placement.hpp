#pragma once

// Where the parts of a VM lie on one host: what its definition leaves open.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/file.hpp"

namespace sealift::hypervisor {

struct HostForward {
  std::uint16_t host_port = 0;  // on 127.0.0.1 of the host
  std::uint16_t guest_port = 0;
};
struct UserNetwork {
  std::vector<HostForward> forwards;
};
// A tap device, made by us and handed to the hypervisor as a descriptor, on an existing bridge. It offers
// offloads that a user network lacks: a live move from a bridge to a user network is refused by QEMU.
struct BridgeNetwork {
  std::string bridge;
  std::optional<std::uint16_t> vlan;  // untagged in the guest; the bridge filters VLANs
};
using NetworkPlacement = std::variant<UserNetwork, BridgeNetwork>;

// Where the parts of one VM lie on this host.
struct Placement {
  std::string vm_id;
  file::Path run_directory;       // sockets; made 0700 and given to QEMU's user by start()
  file::Path log_directory;       // qemu.log, serial.log
  file::Path directory;           // side files: vars.fd, kernel, initrd
  std::vector<file::Path> disks;  // in the definition's order
  // Descriptor of the VM's lock, or -1: the process keeps it open as long as it lives, so that the lock says
  // whether there is one.
  int lock = -1;
  std::vector<NetworkPlacement> networks;  // in the definition's order
};

enum class StartMode {
  kBoot,      // paused before its first instruction: cont() runs it
  kIncoming,  // waits for migrate_incoming(); ends paused, never runs by itself
};

}  // namespace sealift::hypervisor
