#pragma once

// sealift.toml: a host's configuration. Every key is optional, an empty or missing file is a host that works.
// Validated whole: errors name file, line and key.
//
//   listen = "[::]:7420"              # one port for everything between hosts
//   advertise = ["zurich.example:7420"]  # how others reach it; default: found out when it joins; ["none"]:
//                                        # they cannot, it dials them
//   http = "127.0.0.1:7421"           # /healthz and /metrics; default: none
//   log_level = "info"                # debug, info, warning, error
//   [qemu]
//   program = "qemu-system-x86_64"
//   user = "sealift"                  # QEMU's user when the daemon is root; "root": no drop
//   accelerator = "kvm"               # or "tcg"; default: probed
//   [networks.prod-10]                # a name that definitions use
//   bridge = "br0"
//   vlan = 10                         # on that bridge, 1 to 4094
//   [networks.lab]
//   forward = ["8080:80"]             # user network; TCP from 127.0.0.1:8080 to the guest's 80
//   [pools.fast]
//   path = "/srv/fast"                # absolute
//   [accept]                          # moves that come in; default: from every member, without limits
//   from = ["zurich"]
//   memory = "64GiB"                  # of all VMs here together
//   disk = "1TiB"                     # of one VM
//   moves = 2                         # at once
//   [vms.web-01]                      # of a VM while it runs here
//   address = "192.0.2.7:80"          # told to load balancers that follow moves, if it changes with the host
//   [[haproxy]]                       # a server of an HAProxy that this host drives in moves
//   socket = "/run/haproxy/admin.sock"   # its runtime API, level admin
//   server = "web/web-01"             # backend/server
//   vm = "web-01"                     # name or id; it may run on any host of the domain
//   [quarantine]
//   days = 30                         # disks of VMs that left are kept that long
//   [shutdown]
//   seconds = 90                      # for guests to power off when the host shuts down
//   with_daemon = false               # also when only the daemon is told to end: a host without systemd

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "hypervisor/facts.hpp"
#include "hypervisor/placement.hpp"

namespace sealift::host {

struct AcceptPolicy {
  std::optional<std::vector<std::string>> from;  // nothing: every member
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint64_t> disk_bytes;
  std::optional<std::uint64_t> moves;
};

// What is to be done there is traffic's business (traffic/haproxy.hpp).
struct HaproxySetting {
  std::string socket, backend, server, vm;
  bool operator==(const HaproxySetting&) const = default;
};

constexpr std::string_view kNoAddress = "none";  // in place of an address that others could dial

struct HostConfig {
  std::string listen = "[::]:7420";
  std::vector<std::string> advertise;  // empty: to be found out; {kNoAddress}: none
  std::string http;
  LogLevel log_level = LogLevel::kInfo;
  std::string qemu_program = "qemu-system-x86_64";
  std::string qemu_user;
  std::optional<hypervisor::Accelerator> accelerator;
  std::map<std::string, hypervisor::NetworkPlacement> networks;  // "default" is there always
  std::map<std::string, file::Path> pools;  // "default" is there always: STATE/pools/default
  AcceptPolicy accept;
  std::map<std::string, std::string> addresses;  // by VM name
  std::vector<HaproxySetting> haproxy;
  std::uint32_t quarantine_days = 30;
  std::uint32_t shutdown_seconds = 90;
  bool shutdown_with_daemon = false;

  // Others cannot dial this host (a firewall, address translation): it calls them.
  bool outgoing_only() const { return advertise == std::vector<std::string>{std::string(kNoAddress)}; }
};

Result<HostConfig> parse_config(std::string_view toml, const file::Path& file_name,
                                const file::Path& state_directory);
// STATE/sealift.toml unless another is named; a missing STATE/sealift.toml is an empty one.
Result<HostConfig> load_config(const std::optional<file::Path>& path, const file::Path& state_directory);
// What `host init` leaves in the state directory: every key, commented out.
std::string_view default_config_text();

// "user", "br0", "br0.10": for screens.
std::string describe(const hypervisor::NetworkPlacement& network);

}  // namespace sealift::host
