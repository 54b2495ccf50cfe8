#pragma once

// definition + placement -> QEMU's arguments: a pure function, so that the same VM is the same machine on
// every host. Every device has an explicit id and address (a migration stream names devices by their place on
// the bus): rng 02.0, disks from 04.0 on, networks from 14.0 on, on pcie.0. Nothing default, no user
// configuration, sandbox on. Always -S: the guest runs when we say so.

#include <string>
#include <vector>

#include "hypervisor/hypervisor.hpp"

namespace sealift::hypervisor::qemu {

// Descriptors that the process inherits under these very numbers.
struct InheritedFds {
  int monitor = -1;       // listening unix socket
  int serial = -1;        // listening unix socket
  std::vector<int> taps;  // one per BridgeNetwork, in order
};

struct LaunchSettings {
  std::string program = "qemu-system-x86_64";
  Accelerator accelerator = Accelerator::kTcg;
  file::Path uefi_code;
  std::optional<int> kvm_fd_set;  // inherited descriptor of /dev/kvm, where QEMU's user may not open it
};

std::vector<std::string> make_command_line(const VmDefinition& definition, const Placement& placement,
                                           StartMode mode, const InheritedFds& fds,
                                           const LaunchSettings& settings);

std::string disk_node(std::size_t index);  // node name of a disk's format layer: "disk0"
std::string cpu_argument(std::string_view model);

// ip(8) and bridge(8) commands that put a tap device on its bridge.
std::vector<std::vector<std::string>> bridge_commands(const std::string& tap, const BridgeNetwork& network);

}  // namespace sealift::hypervisor::qemu
