#include "hypervisor/definition.hpp"

#include <algorithm>
#include <set>

namespace sealift::hypervisor {

namespace {

constexpr std::uint64_t kMiB = 1ULL << 20;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// [a-z0-9-], 1 to `most`, starts and ends with a letter or a digit.
bool valid_name(std::string_view name, std::size_t most) {
  return !name.empty() && name.size() <= most && name.front() != '-' && name.back() != '-' &&
         std::ranges::all_of(name, [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

// Host networks and pools may carry dots too (br0.10).
bool valid_mapped_name(std::string_view name) {
  return !name.empty() && name.size() <= 63 && is_lower_or_digit(name.front()) &&
         std::ranges::all_of(name,
                             [](char c) { return is_lower_or_digit(c) || c == '-' || c == '_' || c == '.'; });
}

bool valid_mac(std::string_view mac) {
  if (mac.size() != 17) return false;
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const char c = mac[i];
    if (i % 3 == 2 ? c != ':' : !(is_digit(c) || (c >= 'a' && c <= 'f'))) return false;
  }
  // A station's address: not multicast (lowest bit of the first byte), not zero.
  const char low = mac[1];
  const int nibble = is_digit(low) ? low - '0' : low - 'a' + 10;
  return nibble % 2 == 0 && mac != "00:00:00:00:00:00";
}

// pc-q35-9.2, pc-q35-4.0.1
bool versioned_q35(std::string_view machine) {
  constexpr std::string_view kPrefix = "pc-q35-";
  if (!machine.starts_with(kPrefix) || machine.size() > 24) return false;
  const std::string_view version = machine.substr(kPrefix.size());
  return !version.empty() && is_digit(version.front()) && is_digit(version.back()) &&
         version.find('.') != std::string_view::npos && version.find("..") == std::string_view::npos &&
         std::ranges::all_of(version, [](char c) { return is_digit(c) || c == '.'; });
}

using Problems = std::vector<DefinitionProblem>;
using Part = DefinitionProblem::Part;

void check_cpu(std::string_view cpu, Problems* out) {
  if (cpu == "host" || cpu == "max" || cpu == "base") {
    out->push_back({Part::kMachine, 0, "cpu",
                    fmt::format("'{}' is another CPU on every host, so the VM could not move: use a fixed "
                                "model such as x86-64-v2",
                                cpu)});
    return;
  }
  const bool plain = !cpu.empty() && cpu.size() <= 64 && std::ranges::all_of(cpu, [](char c) {
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
  });
  if (!plain) out->push_back({Part::kMachine, 0, "cpu", fmt::format("'{}' is not a CPU model's name", cpu)});
}

void check_disks(const VmDefinition& definition, Problems* out) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < definition.disks.size(); ++i) {
    const DiskDefinition& disk = definition.disks[i];
    const auto add = [&](std::string key, std::string message) {
      out->push_back({Part::kDisk, i, std::move(key), std::move(message)});
    };
    if (i >= VmDefinition::kDisksMax) add("name", fmt::format("at most {} disks", VmDefinition::kDisksMax));
    if (!valid_name(disk.name, 15))
      add("name", fmt::format("'{}' must be 1 to 15 of a-z, 0-9 and -", disk.name));
    if (!names.insert(disk.name).second) add("name", fmt::format("two disks are named '{}'", disk.name));
    if (!valid_mapped_name(disk.pool))
      add("pool", fmt::format("'{}' is not a pool's name (a-z, 0-9, -, _, .)", disk.pool));
    constexpr std::uint64_t kMost = 64ULL << 40;
    if (disk.size_bytes < kMiB || disk.size_bytes > kMost || disk.size_bytes % 1024 != 0)
      add("size", "must be whole KiB, from 1MiB to 64TiB");
  }
}

void check_networks(const VmDefinition& definition, Problems* out) {
  std::set<std::string_view> macs;
  for (std::size_t i = 0; i < definition.networks.size(); ++i) {
    const NetworkDefinition& network = definition.networks[i];
    const auto add = [&](std::string key, std::string message) {
      out->push_back({Part::kNetwork, i, std::move(key), std::move(message)});
    };
    if (i >= VmDefinition::kNetworksMax)
      add("name", fmt::format("at most {} networks", VmDefinition::kNetworksMax));
    if (!valid_mapped_name(network.name))
      add("name", fmt::format("'{}' is not a network's name (a-z, 0-9, -, _, .)", network.name));
    if (!valid_mac(network.mac))
      add("mac",
          fmt::format("'{}' must look like 52:54:00:12:34:56 and not be a multicast address", network.mac));
    if (!macs.insert(network.mac).second) add("mac", fmt::format("'{}' is used twice", network.mac));
  }
}

void check_machine(const VmDefinition& definition, Problems* out) {
  const auto add = [&](std::string key, std::string message) {
    out->push_back({Part::kMachine, 0, std::move(key), std::move(message)});
  };
  if (!valid_vm_name(definition.name)) {
    add("name",
        fmt::format("'{}' must be 1 to 63 of a-z, 0-9 and -, and start and end with a letter or digit",
                    definition.name));
  }
  if (!versioned_q35(definition.machine)) {
    add("machine",
        fmt::format("'{}' is not a versioned q35 type: write one such as pc-q35-9.2 (an alias like "
                    "q35 means another machine after an upgrade of QEMU)",
                    definition.machine));
  }
  if (definition.memory_bytes < 16 * kMiB || definition.memory_bytes > (4ULL << 40) ||
      definition.memory_bytes % kMiB != 0) {
    add("memory", "must be whole MiB, from 16MiB to 4TiB");
  }
  if (definition.vcpus < 1 || definition.vcpus > 255) add("vcpus", "must be from 1 to 255");
  if (definition.autostart_order > 999) add("autostart_order", "must be from 0 to 999");
  if (definition.has_initrd && !definition.has_kernel) add("initrd", "needs a kernel");
  if (!definition.cmdline.empty() && !definition.has_kernel) add("cmdline", "needs a kernel");
  if (definition.cmdline.size() > 2048 ||
      std::ranges::any_of(definition.cmdline, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; })) {
    add("cmdline", "must be one line of at most 2048 characters");
  }
  check_cpu(definition.cpu, out);
}

}  // namespace

std::string_view to_string(DiskFormat format) {
  return format == DiskFormat::kRaw ? "raw" : "qcow2";
}
std::string_view to_string(Firmware firmware) {
  return firmware == Firmware::kBios ? "bios" : "uefi";
}
std::string_view to_string(AtRest at_rest) {
  return at_rest == AtRest::kOff ? "off" : "sealed";
}

Result<DiskFormat> parse_disk_format(std::string_view text) {
  if (text == "raw") return DiskFormat::kRaw;
  if (text == "qcow2") return DiskFormat::kQcow2;
  return fail(Code::kInvalid, "disk format '{}' is neither raw nor qcow2", text);
}

bool valid_vm_name(std::string_view name) {
  return valid_name(name, 63);
}

std::vector<DefinitionProblem> problems_of(const VmDefinition& definition) {
  Problems problems;
  check_machine(definition, &problems);
  check_disks(definition, &problems);
  check_networks(definition, &problems);
  return problems;
}

Status check_definition(const VmDefinition& definition) {
  const Problems problems = problems_of(definition);
  if (problems.empty()) return {};
  const DefinitionProblem& first = problems.front();
  switch (first.part) {
    case Part::kMachine: return fail(Code::kInvalid, "{}: {}", first.key, first.message);
    case Part::kDisk: return fail(Code::kInvalid, "disk {}, {}: {}", first.index, first.key, first.message);
    case Part::kNetwork:
      return fail(Code::kInvalid, "network {}, {}: {}", first.index, first.key, first.message);
  }
  return fail(Code::kInternal, "unknown part of a definition");
}

std::vector<std::string> side_files(const VmDefinition& definition) {
  std::vector<std::string> files;
  if (definition.firmware == Firmware::kUefi) files.emplace_back("vars.fd");
  if (definition.has_kernel) files.emplace_back("kernel");
  if (definition.has_initrd) files.emplace_back("initrd");
  return files;
}

std::string make_vm_id(Random& random) {
  std::array<std::uint8_t, 16> bytes{};
  random.fill(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  const std::string digits = hex(bytes);
  return fmt::format("{}-{}-{}-{}-{}", digits.substr(0, 8), digits.substr(8, 4), digits.substr(12, 4),
                     digits.substr(16, 4), digits.substr(20));
}

bool valid_vm_id(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    if (dash ? c != '-' : !(is_digit(c) || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

}  // namespace sealift::hypervisor
