#include <algorithm>

#include "migrate/protocol.hpp"
#include "migrate/protocol_fields.hpp"

// The request: what the source asks the destination to take in.

namespace sealift::migrate::protocol {

namespace {

constexpr std::size_t kNamesMax = 64;

Json names(const std::map<std::string, std::string>& map) {
  Json json = Json::object();
  for (const auto& [from, to] : map) json[from] = to;
  return json;
}

Result<std::map<std::string, std::string>> read_names(const Json& object, std::string_view field) {
  const Json json = SEALIFT_TRY(json::object(object, field));
  if (json.size() > kNamesMax)
    return fail(Code::kInvalid, "field '{}' holds more than {} names", field, kNamesMax);
  std::map<std::string, std::string> map;
  for (const auto& [from, to] : json.items()) {
    if (!to.is_string() || from.size() > 255 || to.get<std::string>().size() > 255)
      return fail(Code::kInvalid, "field '{}' does not map names to names", field);
    map[from] = to.get<std::string>();
  }
  return map;
}

Result<hypervisor::VmDefinition> read_definition(const Json& object) {
  const Json json = SEALIFT_TRY(json::object(object, "definition"));
  return hypervisor::from_json(json);
}

Json disk_json(const IncomingDisk& disk) {
  return {{"name", disk.name},
          {"format", disk.format},
          {"virtual_bytes", disk.virtual_bytes},
          {"allocated_bytes", disk.allocated_bytes}};
}

Result<IncomingDisk> read_disk(const Json& json) {
  SEALIFT_TRY_STATUS(only(json, {"name", "format", "virtual_bytes", "allocated_bytes"}));
  IncomingDisk disk;
  disk.name = SEALIFT_TRY(json::text(json, "name"));
  disk.format = SEALIFT_TRY(json::text(json, "format"));
  disk.virtual_bytes = SEALIFT_TRY(json::number(json, "virtual_bytes"));
  disk.allocated_bytes = SEALIFT_TRY(json::number(json, "allocated_bytes"));
  return disk;
}

// The disks are the definition's, one by one: who accepts the request accepts exactly those.
Status check_disks(const IncomingVm& vm) {
  const auto& defined = vm.definition.disks;
  const bool same =
      std::ranges::equal(vm.disks, defined, [](const IncomingDisk& disk, const auto& definition) {
        return disk.name == definition.name && disk.virtual_bytes == definition.size_bytes &&
               (disk.format == "raw" || disk.format == "qcow2");
      });
  if (!same) return fail(Code::kInvalid, "field 'disks' does not fit the definition");
  return {};
}

Result<std::vector<bool>> read_bridged(const Json& object) {
  if (!json::has(object, "bridged")) return std::vector<bool>();  // the journal of an older build
  const Json array = SEALIFT_TRY(json::array(object, "bridged"));
  if (array.size() > hypervisor::VmDefinition::kNetworksMax) return fail(Code::kInvalid, "too many networks");
  std::vector<bool> bridged;
  for (const Json& is : array) {
    if (!is.is_boolean()) return fail(Code::kInvalid, "field 'bridged' holds something else than yes or no");
    bridged.push_back(is.get<bool>());
  }
  return bridged;
}

}  // namespace

Status only(const Json& object, std::initializer_list<std::string_view> names) {
  if (!object.is_object()) return fail(Code::kInvalid, "not a JSON object");
  for (const auto& [key, value] : object.items())
    if (std::ranges::find(names, key) == names.end())
      return fail(Code::kInvalid, "unknown field '{}'", key.substr(0, 64));
  return {};
}

Json to_json(const Request& request) {
  Json disks = Json::array();
  for (const IncomingDisk& disk : request.vm.disks) disks.push_back(disk_json(disk));
  return {{"vm", request.vm.id.text()},
          {"from", request.vm.from.text()},
          {"live", request.vm.live},
          {"definition", hypervisor::to_json(request.vm.definition)},
          {"disks", disks},
          {"bridged", request.vm.bridged},
          {"map_networks", names(request.vm.map_networks)},
          {"map_pools", names(request.vm.map_pools)},
          {"channels", request.channels},
          {"clock_ms", request.clock_ms},
          {"bandwidth", request.bandwidth}};
}

Result<Request> parse_request(const Json& json) {
  SEALIFT_TRY_STATUS(only(json, {"vm", "from", "live", "definition", "disks", "bridged", "map_networks",
                                 "map_pools", "channels", "clock_ms", "bandwidth"}));
  Request request;
  request.vm.id = SEALIFT_TRY(json::id<ledger::VmId>(json, "vm"));
  request.vm.from = SEALIFT_TRY(json::id<ledger::HostName>(json, "from"));
  request.vm.live = SEALIFT_TRY(json::boolean(json, "live"));
  request.vm.definition = SEALIFT_TRY(read_definition(json));
  const Json disks = SEALIFT_TRY(json::array(json, "disks"));
  if (disks.size() > hypervisor::VmDefinition::kDisksMax) return fail(Code::kInvalid, "too many disks");
  for (const Json& disk : disks) request.vm.disks.push_back(SEALIFT_TRY(read_disk(disk)));
  SEALIFT_TRY_STATUS(check_disks(request.vm));
  request.vm.bridged = SEALIFT_TRY(read_bridged(json));
  request.vm.map_networks = SEALIFT_TRY(read_names(json, "map_networks"));
  request.vm.map_pools = SEALIFT_TRY(read_names(json, "map_pools"));
  const std::uint64_t channels = SEALIFT_TRY(json::number(json, "channels"));
  if (channels > 15) return fail(Code::kInvalid, "field 'channels' is above 15");
  request.channels = static_cast<std::uint32_t>(channels);
  request.clock_ms = SEALIFT_TRY(json::number(json, "clock_ms"));
  request.bandwidth = SEALIFT_TRY(json::number(json, "bandwidth"));
  return request;
}

}  // namespace sealift::migrate::protocol
