#pragma once

// A VM's definition: what the machine is, and nothing of where its parts lie on one host. It is written by an
// operator as TOML, kept and transferred as JSON in canonical form (keys sorted, no white space: equal
// definitions have equal bytes, the caller hashes them), and it names networks and pools that each host maps.
// definition_file.hpp has the TOML form.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/result.hpp"

namespace sealift::hypervisor {

enum class DiskFormat { kRaw, kQcow2 };
enum class Firmware { kBios, kUefi };
enum class AtRest { kOff, kSealed };

std::string_view to_string(DiskFormat format);  // "raw", "qcow2": also QEMU's names
std::string_view to_string(Firmware firmware);
std::string_view to_string(AtRest at_rest);
Result<DiskFormat> parse_disk_format(std::string_view text);

struct DiskDefinition {
  std::string name;
  std::string pool = "default";
  std::uint64_t size_bytes = 0;
  DiskFormat format = DiskFormat::kQcow2;
  bool operator==(const DiskDefinition&) const = default;
};

struct NetworkDefinition {
  std::string name;
  std::string mac;  // lower case, colons
  bool operator==(const NetworkDefinition&) const = default;
};

struct VmDefinition {
  static constexpr std::size_t kDisksMax = 16;
  static constexpr std::size_t kNetworksMax = 8;

  std::string name;
  std::string machine = "pc-q35-9.2";
  std::string cpu = "x86-64-v2";
  std::uint64_t memory_bytes = 0;
  std::uint32_t vcpus = 1;
  Firmware firmware = Firmware::kBios;
  bool has_kernel = false;
  bool has_initrd = false;
  std::string cmdline;
  bool rng = true;
  bool autostart = false;
  std::uint32_t autostart_order = 0;
  AtRest at_rest = AtRest::kOff;
  bool memory_preallocate = false;
  bool memory_shared = false;
  std::vector<DiskDefinition> disks;
  std::vector<NetworkDefinition> networks;
  bool operator==(const VmDefinition&) const = default;
};

// Canonical JSON, version 1. from_json is strict: unknown or missing fields and values out of range are
// kInvalid, so that what it returns is as good as what parse_definition returns.
Json to_json(const VmDefinition& definition);
Result<VmDefinition> from_json(const Json& json);
Bytes canonical_bytes(const VmDefinition& definition);

// Everything that the definition may not be. Both readers (TOML, JSON) refuse a definition that has one.
struct DefinitionProblem {
  enum class Part { kMachine, kDisk, kNetwork };
  Part part = Part::kMachine;
  std::size_t index = 0;  // of the disk or network
  std::string key;        // as in the TOML form
  std::string message;
};
std::vector<DefinitionProblem> problems_of(const VmDefinition& definition);
Status check_definition(const VmDefinition& definition);  // kInvalid with the first of them

// The files in the VM's directory that belong to it beside its disks, and travel with it: "vars.fd" (UEFI
// variables), "kernel", "initrd".
std::vector<std::string> side_files(const VmDefinition& definition);

bool valid_vm_name(std::string_view name);
// 16 random bytes as RFC 9562 version 4 text, the form of a VM id.
std::string make_vm_id(Random& random);
bool valid_vm_id(std::string_view text);

}  // namespace sealift::hypervisor
