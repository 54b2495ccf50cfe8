#include "host/config.hpp"

#include <algorithm>
#include <charconv>

#include "base/toml.hpp"

namespace sealift::host {

namespace {

constexpr std::size_t kConfigBytesMax = 256 * 1024;

// "8080:80"
std::optional<hypervisor::HostForward> parse_forward(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = [](std::string_view digits) -> std::optional<std::uint16_t> {
    std::uint16_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value == 0) return std::nullopt;
    return value;
  };
  const auto host = port(text.substr(0, colon));
  const auto guest = port(text.substr(colon + 1));
  if (!host || !guest) return std::nullopt;
  return hypervisor::HostForward{.host_port = *host, .guest_port = *guest};
}

// Linux interface names: 1 to 15 characters without '/' and white space.
bool valid_interface(std::string_view name) {
  return !name.empty() && name.size() <= 15 && name != "." && name != ".." &&
         name.find_first_of("/ \t\n:") == std::string_view::npos && name.front() != '-';
}

// "192.0.2.7:80", "[2001:db8::7]:80"; whoever dials it reads it fully.
bool valid_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  return text.size() <= 64 && colon != std::string_view::npos && colon > 0 && colon + 1 < text.size() &&
         text.find_first_not_of("0123456789abcdefABCDEF.:[]") == std::string_view::npos;
}

hypervisor::NetworkPlacement read_network(TomlTable table) {
  const auto bridge = table.text("bridge");
  const auto vlan = table.number("vlan", 1, 4094);
  const auto forwards = table.texts("forward");
  if (bridge) {
    if (!valid_interface(*bridge)) table.problem("bridge", "is not the name of a bridge");
    if (forwards) table.problem("forward", "belongs to a user network, this one has a bridge");
    hypervisor::BridgeNetwork network{.bridge = *bridge, .vlan = {}};
    if (vlan) network.vlan = static_cast<std::uint16_t>(*vlan);
    return network;
  }
  if (vlan) table.problem("vlan", "needs a bridge");
  hypervisor::UserNetwork network;
  for (const std::string& text : forwards.value_or(std::vector<std::string>())) {
    if (const auto forward = parse_forward(text)) {
      network.forwards.push_back(*forward);
    } else {
      table.problem("forward", fmt::format("'{}' is not of the form \"8080:80\"", text));
    }
  }
  return network;
}

void read_qemu(TomlTable table, HostConfig* out) {
  out->qemu_program = table.text("program").value_or(out->qemu_program);
  out->qemu_user = table.text("user").value_or("");
  if (const auto accelerator = table.choice("accelerator", {"kvm", "tcg"}))
    out->accelerator = *accelerator == 0 ? hypervisor::Accelerator::kKvm : hypervisor::Accelerator::kTcg;
}

void read_accept(TomlTable table, AcceptPolicy* out) {
  out->from = table.texts("from");
  out->memory_bytes = table.size("memory");
  out->disk_bytes = table.size("disk");
  out->moves = table.number("moves", 0, 1000);
}

// A name of HAProxy's: it goes into a command.
bool valid_haproxy_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-") ==
             std::string_view::npos;
}

HaproxySetting read_haproxy(TomlTable table) {
  for (const char* key : {"socket", "server", "vm"}) table.require(key);
  HaproxySetting setting;
  setting.socket = table.text("socket").value_or("/");
  if (!file::Path(setting.socket).is_absolute()) table.problem("socket", "must be an absolute path");
  const std::string both = table.text("server").value_or("b/s");
  const std::size_t slash = both.find('/');
  setting.backend = both.substr(0, slash);
  if (slash != std::string::npos) setting.server = both.substr(slash + 1);
  if (!valid_haproxy_name(setting.backend) || !valid_haproxy_name(setting.server))
    table.problem("server", "must be of the form \"backend/server\", as HAProxy names them");
  setting.vm = table.text("vm").value_or("");
  return setting;
}

void read_root(TomlTable root, HostConfig* out) {
  out->listen = root.text("listen").value_or(out->listen);
  out->advertise = root.texts("advertise").value_or(std::vector<std::string>());
  if (!out->outgoing_only() && std::ranges::find(out->advertise, kNoAddress) != out->advertise.end())
    root.problem("advertise", "is either addresses or [\"none\"]");
  out->http = root.text("http").value_or("");
  if (const auto level = root.choice("log_level", {"debug", "info", "warning", "error"}))
    out->log_level = static_cast<LogLevel>(*level);
  if (auto qemu = root.table("qemu")) read_qemu(*qemu, out);
  if (auto networks = root.table("networks")) {
    for (const auto& [name, table] : networks->named_tables()) out->networks[name] = read_network(table);
  }
  if (auto pools = root.table("pools")) {
    for (auto& [name, table] : pools->named_tables()) {
      table.require("path");
      const file::Path path = table.text("path").value_or("/");
      if (!path.is_absolute()) table.problem("path", "must be absolute");
      out->pools[name] = path;
    }
  }
  if (auto vms = root.table("vms")) {
    for (auto& [name, table] : vms->named_tables()) {
      table.require("address");
      out->addresses[name] = table.text("address").value_or("");
      if (!valid_address(out->addresses[name]))
        table.problem("address", "must be an IP address and a port, as in \"192.0.2.7:80\"");
    }
  }
  for (const TomlTable& table : root.tables("haproxy")) out->haproxy.push_back(read_haproxy(table));
  if (auto accept = root.table("accept")) read_accept(*accept, &out->accept);
  if (auto quarantine = root.table("quarantine"))
    out->quarantine_days = static_cast<std::uint32_t>(quarantine->number("days", 0, 36500).value_or(30));
  if (auto shutdown = root.table("shutdown")) {
    out->shutdown_seconds = static_cast<std::uint32_t>(shutdown->number("seconds", 1, 3600).value_or(90));
    out->shutdown_with_daemon = shutdown->boolean("with_daemon").value_or(false);
  }
}

}  // namespace

Result<HostConfig> parse_config(std::string_view toml, const file::Path& file_name,
                                const file::Path& state_directory) {
  TomlFile file = SEALIFT_TRY(TomlFile::parse(toml, file_name.string()));
  HostConfig config;
  config.networks["default"] = hypervisor::UserNetwork{};
  config.pools["default"] = state_directory / "pools" / "default";
  read_root(file.root(), &config);
  SEALIFT_TRY_STATUS(file.finish());
  return config;
}

Result<HostConfig> load_config(const std::optional<file::Path>& path, const file::Path& state_directory) {
  const file::Path at = path.value_or(state_directory / "sealift.toml");
  const auto text = file::read_text(at, kConfigBytesMax);
  if (!text && text.error().code == Code::kNotFound && !path) return parse_config("", at, state_directory);
  if (!text) return because(text.error(), "reading the configuration");
  return parse_config(*text, at, state_directory);
}

std::string describe(const hypervisor::NetworkPlacement& network) {
  const auto* bridge = std::get_if<hypervisor::BridgeNetwork>(&network);
  if (bridge == nullptr) return "user";
  return bridge->vlan ? fmt::format("{}.{}", bridge->bridge, *bridge->vlan) : bridge->bridge;
}

std::string_view default_config_text() {
  return R"(# sealift's configuration of this host. Every key is optional; these are the defaults or examples.

# listen = "[::]:7420"                   # one port for everything between hosts
# advertise = ["zurich.example:7420"]    # how other hosts reach it; ["none"]: they cannot, it dials them
# http = "127.0.0.1:7421"                # /healthz and /metrics; default: none
# log_level = "info"                     # debug, info, warning, error

# [qemu]
# program = "qemu-system-x86_64"
# user = "sealift"                       # QEMU's user when the daemon is root
# accelerator = "kvm"                    # or "tcg"; default: KVM where a probe guest runs in it

# [networks.prod-10]                     # a name that VM definitions use
# bridge = "br0"
# vlan = 10

# [networks.lab]                         # without a bridge: a user network
# forward = ["8080:80"]

# [pools.fast]
# path = "/srv/fast"

# [accept]                               # moves that come in; default: from every member, without limits
# from = ["zurich"]
# memory = "64GiB"
# disk = "1TiB"
# moves = 2

# [vms.web-01]                           # of a VM while it runs here
# address = "192.0.2.7:80"               # what load balancers that follow moves are told, if it changes with hosts

# [[haproxy]]                            # a server of an HAProxy that this host drives while its VM switches over
# socket = "/run/haproxy/admin.sock"     # its runtime API, level admin
# server = "web/web-01"                  # backend/server
# vm = "web-01"

# [quarantine]
# days = 30

# [shutdown]
# seconds = 90
# with_daemon = false
)";
}

}  // namespace sealift::host
