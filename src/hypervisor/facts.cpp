#include "hypervisor/facts.hpp"

#include <algorithm>

namespace sealift::hypervisor {

namespace {

constexpr std::size_t kListMax = 1024;

Result<std::vector<std::string>> names(const Json& object, std::string_view field) {
  const Json list = SEALIFT_TRY(json::array(object, field));
  if (list.size() > kListMax)
    return fail(Code::kInvalid, "field '{}' has more than {} entries", field, kListMax);
  std::vector<std::string> out;
  for (const Json& item : list) {
    if (!item.is_string()) return fail(Code::kInvalid, "field '{}' is not a list of strings", field);
    out.push_back(item.get<std::string>());
  }
  return out;
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

}  // namespace

std::string_view to_string(Accelerator accelerator) {
  return accelerator == Accelerator::kKvm ? "kvm" : "tcg";
}

Json to_json(const HypervisorFacts& facts) {
  return {{"version", facts.version},
          {"accelerator", to_string(facts.accelerator)},
          {"machines", facts.machines},
          {"cpu_models", facts.cpu_models},
          {"migration_capabilities", facts.migration_capabilities},
          {"uefi_code_bytes", facts.uefi_code_bytes}};
}

Result<HypervisorFacts> facts_from_json(const Json& json) {
  HypervisorFacts facts;
  facts.version = SEALIFT_TRY(json::text(json, "version"));
  const std::string accelerator = SEALIFT_TRY(json::text(json, "accelerator"));
  if (accelerator != "kvm" && accelerator != "tcg")
    return fail(Code::kInvalid, "field 'accelerator': unknown value '{}'", accelerator);
  facts.accelerator = accelerator == "kvm" ? Accelerator::kKvm : Accelerator::kTcg;
  facts.machines = SEALIFT_TRY(names(json, "machines"));
  facts.cpu_models = SEALIFT_TRY(names(json, "cpu_models"));
  facts.migration_capabilities = SEALIFT_TRY(names(json, "migration_capabilities"));
  facts.uefi_code_bytes = SEALIFT_TRY(json::number(json, "uefi_code_bytes"));
  return facts;
}

std::vector<std::string> problems_running(const VmDefinition& definition, const HypervisorFacts& facts) {
  std::vector<std::string> problems;
  if (!contains(facts.machines, definition.machine)) {
    problems.push_back(
        fmt::format("no machine type {} (QEMU {}): upgrade QEMU there, or define the VM with an older type",
                    definition.machine, facts.version));
  }
  if (!contains(facts.cpu_models, definition.cpu)) {
    problems.push_back(
        fmt::format("CPU model {} cannot run here with {}: it is unknown, or the processor lacks "
                    "some of its features",
                    definition.cpu, to_string(facts.accelerator)));
  }
  if (definition.firmware == Firmware::kUefi && facts.uefi_code_bytes == 0)
    problems.emplace_back("no UEFI firmware is installed (package ovmf)");
  return problems;
}

}  // namespace sealift::hypervisor
