// What this host's QEMU is, and whether KVM runs guests on it. /dev/kvm may be there and of no use (nested
// without the processor's support: guests hang, or run slower than emulated): only a guest that runs is
// proof.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "hypervisor/qemu/qemu_hypervisor.hpp"
#include "hypervisor/qemu/unix_socket.hpp"

namespace sealift::hypervisor::qemu {

namespace {

using namespace std::chrono_literals;

Result<std::vector<std::string>> list_names(QmpClient& qmp, std::string_view command, std::string_view field,
                                            Deadline deadline, const Stop& stop) {
  const Json answer = SEALIFT_TRY(qmp.call(command, {}, deadline, stop));
  if (!answer.is_array()) return fail(Code::kInvalid, "{}: not a list", command);
  std::vector<std::string> names;
  for (const Json& entry : answer) {
    // CPU models: only those that lack nothing here.
    if (json::has(entry, "unavailable-features") && !entry.at("unavailable-features").empty()) continue;
    names.push_back(SEALIFT_TRY(json::text(entry, field)));
  }
  std::ranges::sort(names);
  return names;
}

// Everything that a move needs, looked for in the schema and never in the version.
Status check_features(QmpClient& qmp, const std::vector<std::string>& capabilities, Deadline deadline,
                      const Stop& stop) {
  const Json schema = SEALIFT_TRY(qmp.call("query-qmp-schema", {}, deadline, stop));
  if (!schema.is_array()) return fail(Code::kInvalid, "query-qmp-schema: not a list");
  std::set<std::string> commands;
  for (const Json& entry : schema) {
    if (json::has(entry, "meta-type") && entry.at("meta-type") == "command")
      commands.insert(SEALIFT_TRY(json::text(entry, "name")));
  }
  std::string missing;
  for (const std::string_view name :
       {"migrate", "migrate-incoming", "migrate-continue", "migrate_cancel", "query-migrate", "transaction",
        "block-dirty-bitmap-add", "block-dirty-bitmap-remove", "block-dirty-bitmap-disable",
        "nbd-server-start", "block-export-add", "block-export-del", "query-block-exports", "announce-self",
        "system_powerdown"}) {
    if (!commands.contains(std::string(name))) missing += fmt::format(" {}", name);
  }
  for (const std::string_view name : {"events", "return-path", "switchover-ack", "multifd", "validate-uuid",
                                      "pause-before-switchover", "late-block-activate"}) {
    if (std::ranges::find(capabilities, name) == capabilities.end()) missing += fmt::format(" {}", name);
  }
  if (missing.empty()) return {};
  return fail(Code::kUnsupported, "this QEMU ({}) was built without what sealift needs:{}",
              qmp.version().text(), missing);
}

// Whether this processor has what our own model x86-64-v2 asks for; TCG has it all.
bool has_level_2(Accelerator accelerator) {
  if (accelerator == Accelerator::kTcg) return true;
  const auto text = file::read_text("/proc/cpuinfo", 16U << 20);
  if (!text) return false;
  const std::size_t at = text->find("\nflags");
  if (at == std::string::npos) return false;
  const std::string flags = text->substr(at + 1, text->find('\n', at + 1) - at - 1) + " ";
  return std::ranges::all_of(std::array<std::string_view, 7>{" pni ", " cx16 ", " lahf_lm ", " popcnt ",
                                                             " ssse3 ", " sse4_1 ", " sse4_2 "},
                             [&](std::string_view flag) { return flags.find(flag) != std::string::npos; });
}

}  // namespace

Result<HypervisorFacts> ask_facts(const QemuSettings& settings, Accelerator accelerator,
                                  const GuestUser& user, Deadline deadline, const Stop& stop) {
  const file::Path socket = settings.scratch_directory / "probe";
  UniqueFd listening = SEALIFT_TRY(listen_unix(socket));
  UniqueFd kvm;
  SpawnOptions options;
  options.drop_to = user;
  options.fds = {{listening.get(), listening.get()}};
  std::string accel(to_string(accelerator));
  options.argv = {settings.program,
                  "-nodefaults",
                  "-no-user-config",
                  "-display",
                  "none",
                  "-machine",
                  "none",
                  "-S",
                  "-chardev",
                  fmt::format("socket,id=monitor0,fd={},server=on,wait=off", listening.get()),
                  "-mon",
                  "chardev=monitor0,mode=control"};
  if (accelerator == Accelerator::kKvm && user) {
    kvm = SEALIFT_TRY(open_kvm());
    options.fds.emplace_back(kvm.get(), kvm.get());
    options.argv.insert(options.argv.end(), {"-add-fd", fmt::format("fd={},set=1", kvm.get())});
    accel += ",device=/dev/fdset/1";
  }
  options.argv.insert(options.argv.end(), {"-accel", accel});
  options.output = settings.scratch_directory / "probe.log";
  const ProcessName process = SEALIFT_TRY(process::spawn(options));
  listening.reset();
  const auto ask = [&]() -> Result<HypervisorFacts> {
    const auto qmp = SEALIFT_TRY(QmpClient::connect(socket, deadline, stop));
    HypervisorFacts facts;
    facts.version = qmp->version().text();
    facts.accelerator = accelerator;
    facts.migration_capabilities =
        SEALIFT_TRY(list_names(*qmp, "query-migrate-capabilities", "capability", deadline, stop));
    SEALIFT_TRY_STATUS(check_features(*qmp, facts.migration_capabilities, deadline, stop));
    facts.machines = SEALIFT_TRY(list_names(*qmp, "query-machines", "name", deadline, stop));
    std::erase_if(facts.machines, [](const std::string& name) { return !name.starts_with("pc-q35-"); });
    facts.cpu_models = SEALIFT_TRY(list_names(*qmp, "query-cpu-definitions", "name", deadline, stop));
    if (has_level_2(accelerator)) facts.cpu_models.emplace_back("x86-64-v2");
    std::error_code error;
    const auto uefi = std::filesystem::file_size(settings.uefi_code, error);
    facts.uefi_code_bytes = error ? 0 : uefi;
    return facts;
  };
  auto facts = ask();
  const Status killed = process::kill_hard(process, Deadline::in(5s));
  if (facts && !killed) return std::unexpected(killed.error());
  std::error_code ignored;
  std::filesystem::remove(socket, ignored);
  return facts;
}

Result<std::unique_ptr<Hypervisor>> open_qemu(const QemuSettings& settings, Deadline deadline,
                                              const Stop& stop) {
  const GuestUser user = SEALIFT_TRY(guest_user(settings.user));
  SEALIFT_TRY_STATUS(file::make_private_directory(settings.scratch_directory));
  SEALIFT_TRY_STATUS(let_guest_user_pass(settings.scratch_directory, user));
  const Accelerator accelerator = SEALIFT_TRY(choose_accelerator(settings, user, stop));
  HypervisorFacts facts = SEALIFT_TRY(ask_facts(settings, accelerator, user, deadline, stop));
  return std::make_unique<QemuHypervisor>(settings, std::move(facts), user);
}

}  // namespace sealift::hypervisor::qemu
