#pragma once

// A tap device for one network of a VM: made by the daemon, put on its bridge, handed to QEMU as a
// descriptor. It exists as long as somebody holds that descriptor.

#include "base/file.hpp"
#include "base/stop.hpp"
#include "hypervisor/placement.hpp"

namespace sealift::hypervisor::qemu {

// kNotFound: no such bridge. kUnavailable: this host makes no tap devices (no /dev/net/tun, or not root).
Result<UniqueFd> open_tap(const BridgeNetwork& network, Deadline deadline);

}  // namespace sealift::hypervisor::qemu
