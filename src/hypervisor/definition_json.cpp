#include <algorithm>

#include "hypervisor/definition.hpp"

namespace sealift::hypervisor {

namespace {

Result<std::size_t> word(const Json& object, std::string_view field,
                         std::initializer_list<std::string_view> words) {
  const std::string value = SEALIFT_TRY(json::text(object, field));
  const auto* found = std::find(words.begin(), words.end(), value);
  if (found == words.end()) return fail(Code::kInvalid, "field '{}': unknown value '{}'", field, value);
  return static_cast<std::size_t>(found - words.begin());
}

Result<std::uint32_t> small(const Json& object, std::string_view field) {
  const std::uint64_t value = SEALIFT_TRY(json::number(object, field));
  if (value > 0xffff) return fail(Code::kInvalid, "field '{}' is out of range", field);
  return static_cast<std::uint32_t>(value);
}

Status no_other_fields(const Json& object, std::size_t known) {
  if (object.size() == known) return {};
  return fail(Code::kInvalid, "unknown field in the definition: it is of a newer version of sealift");
}

Result<DiskDefinition> disk_from_json(const Json& json) {
  DiskDefinition disk;
  disk.name = SEALIFT_TRY(json::text(json, "name"));
  disk.pool = SEALIFT_TRY(json::text(json, "pool"));
  disk.size_bytes = SEALIFT_TRY(json::number(json, "size"));
  const std::string format = SEALIFT_TRY(json::text(json, "format"));
  disk.format = SEALIFT_TRY(parse_disk_format(format));
  SEALIFT_TRY_STATUS(no_other_fields(json, 4));
  return disk;
}

Result<NetworkDefinition> network_from_json(const Json& json) {
  NetworkDefinition network;
  network.name = SEALIFT_TRY(json::text(json, "name"));
  network.mac = SEALIFT_TRY(json::text(json, "mac"));
  SEALIFT_TRY_STATUS(no_other_fields(json, 2));
  return network;
}

}  // namespace

Json to_json(const VmDefinition& definition) {
  Json disks = Json::array();
  for (const DiskDefinition& disk : definition.disks) {
    disks.push_back({{"name", disk.name},
                     {"pool", disk.pool},
                     {"size", disk.size_bytes},
                     {"format", to_string(disk.format)}});
  }
  Json networks = Json::array();
  for (const NetworkDefinition& network : definition.networks) {
    networks.push_back({{"name", network.name}, {"mac", network.mac}});
  }
  return {{"version", 1U},
          {"name", definition.name},
          {"machine", definition.machine},
          {"cpu", definition.cpu},
          {"memory", definition.memory_bytes},
          {"vcpus", definition.vcpus},
          {"firmware", to_string(definition.firmware)},
          {"kernel", definition.has_kernel},
          {"initrd", definition.has_initrd},
          {"cmdline", definition.cmdline},
          {"rng", definition.rng},
          {"autostart", definition.autostart},
          {"autostart_order", definition.autostart_order},
          {"at_rest", to_string(definition.at_rest)},
          {"memory_preallocate", definition.memory_preallocate},
          {"memory_shared", definition.memory_shared},
          {"disks", disks},
          {"networks", networks}};
}

Result<VmDefinition> from_json(const Json& json) {
  const std::uint64_t version = SEALIFT_TRY(json::number(json, "version"));
  if (version != 1) {
    return fail(Code::kUnsupported,
                "the VM's definition is of version {}, this sealift knows version 1: "
                "upgrade it",
                version);
  }
  VmDefinition out;
  out.name = SEALIFT_TRY(json::text(json, "name"));
  out.machine = SEALIFT_TRY(json::text(json, "machine"));
  out.cpu = SEALIFT_TRY(json::text(json, "cpu"));
  out.memory_bytes = SEALIFT_TRY(json::number(json, "memory"));
  out.vcpus = SEALIFT_TRY(small(json, "vcpus"));
  out.firmware =
      SEALIFT_TRY(word(json, "firmware", {"bios", "uefi"})) == 0 ? Firmware::kBios : Firmware::kUefi;
  out.has_kernel = SEALIFT_TRY(json::boolean(json, "kernel"));
  out.has_initrd = SEALIFT_TRY(json::boolean(json, "initrd"));
  out.cmdline = SEALIFT_TRY(json::text(json, "cmdline"));
  out.rng = SEALIFT_TRY(json::boolean(json, "rng"));
  out.autostart = SEALIFT_TRY(json::boolean(json, "autostart"));
  out.autostart_order = SEALIFT_TRY(small(json, "autostart_order"));
  out.at_rest = SEALIFT_TRY(word(json, "at_rest", {"off", "sealed"})) == 0 ? AtRest::kOff : AtRest::kSealed;
  out.memory_preallocate = SEALIFT_TRY(json::boolean(json, "memory_preallocate"));
  out.memory_shared = SEALIFT_TRY(json::boolean(json, "memory_shared"));
  const Json disks = SEALIFT_TRY(json::array(json, "disks"));
  const Json networks = SEALIFT_TRY(json::array(json, "networks"));
  SEALIFT_TRY_STATUS(no_other_fields(json, 18));
  for (const Json& disk : disks) out.disks.push_back(SEALIFT_TRY(disk_from_json(disk)));
  for (const Json& network : networks) out.networks.push_back(SEALIFT_TRY(network_from_json(network)));
  SEALIFT_TRY_STATUS(check_definition(out));
  return out;
}

Bytes canonical_bytes(const VmDefinition& definition) {
  return to_bytes(json::dump(to_json(definition)));
}

}  // namespace sealift::hypervisor
