#pragma once

// What a host's hypervisor can do. Pre-flight of a move compares a definition with the facts of both sides.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "hypervisor/definition.hpp"

namespace sealift::hypervisor {

enum class Accelerator { kKvm, kTcg };
std::string_view to_string(Accelerator accelerator);

// What this host can do; exchanged between hosts before a move.
struct HypervisorFacts {
  std::string version;  // "10.0.2"
  Accelerator accelerator = Accelerator::kTcg;
  std::vector<std::string> machines;    // versioned types, no aliases
  std::vector<std::string> cpu_models;  // those whose every feature this host has
  std::vector<std::string> migration_capabilities;
  std::uint64_t uefi_code_bytes = 0;  // 0: no UEFI firmware here. Sizes must be equal on both sides
};
Json to_json(const HypervisorFacts& facts);
Result<HypervisorFacts> facts_from_json(const Json& json);
// Every reason why a machine of this definition cannot run on a host with these facts, in words.
std::vector<std::string> problems_running(const VmDefinition& definition, const HypervisorFacts& facts);

}  // namespace sealift::hypervisor
