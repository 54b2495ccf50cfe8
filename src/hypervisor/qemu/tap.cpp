#include "hypervisor/qemu/tap.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include <fmt/ranges.h>

#include "base/process.hpp"
#include "hypervisor/qemu/command_line.hpp"

namespace sealift::hypervisor::qemu {

Result<UniqueFd> open_tap(const BridgeNetwork& network, Deadline deadline) {
  // Not looked up in /sys, which shows the devices of the network namespace that mounted it.
  if (::if_nametoindex(network.bridge.c_str()) == 0) {
    return fail(Code::kNotFound,
                "there is no bridge '{}' on this host: make it, or map the network otherwise",
                network.bridge);
  }
  auto tap = file::open("/dev/net/tun", O_RDWR);
  if (!tap)
    return fail(Code::kUnavailable, "no tap device for bridge {}: {}", network.bridge, tap.error().message);
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  std::strncpy(request.ifr_name, "sealift%d", sizeof(request.ifr_name) - 1);
  if (::ioctl(tap->get(), TUNSETIFF, &request) != 0)
    return fail(Code::kUnavailable, "no tap device for bridge {}: {}", network.bridge, std::strerror(errno));
  const std::string name(request.ifr_name);
  for (const auto& command : bridge_commands(name, network)) {
    const auto output = SEALIFT_TRY(process::run(command, 4096, deadline, Stop()));
    if (output.exit.code != 0 || output.exit.signal != 0)
      return fail(Code::kUnavailable, "{}: {}", fmt::join(command, " "), output.text);
  }
  return std::move(*tap);
}

}  // namespace sealift::hypervisor::qemu
