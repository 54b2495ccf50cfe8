// Migration verbs (reference: QEMU's docs/devel/migration and qapi/migration.json).

#include <sys/stat.h>

#include "hypervisor/qemu/answers.hpp"
#include "hypervisor/qemu/machine.hpp"
#include "hypervisor/qemu/qemu_machine.hpp"

namespace sealift::hypervisor::qemu {

namespace {

// Pacing is sealift's, in its own streams. QEMU's 0 has had more than one meaning: a number out of reach.
constexpr std::uint64_t kUnlimited = 1ULL << 50;
constexpr Milliseconds kGlance{200};

Json unix_channel(const file::Path& socket) {
  const Json address = {{"transport", "socket"}, {"type", "unix"}, {"path", socket.string()}};
  return {{"channels", Json::array({{{"channel-type", "main"}, {"addr", address}}})}};
}

bool is_end(MigrationPhase phase) {
  return phase == MigrationPhase::kNone || phase == MigrationPhase::kCompleted ||
         phase == MigrationPhase::kFailed || phase == MigrationPhase::kCancelled;
}

}  // namespace

Status QemuMachine::prepare_migration(MigrationSide side, std::uint32_t channels, Deadline deadline) {
  const bool source = side == MigrationSide::kSource;
  Json capabilities = Json::array();
  const auto set = [&](std::string_view name, bool state) {
    capabilities.push_back({{"capability", name}, {"state", state}});
  };
  set("events", true);
  set("return-path", true);
  set("switchover-ack", true);
  set("validate-uuid", true);
  set("multifd", channels > 0);
  set("pause-before-switchover", source);
  set("late-block-activate", !source);
  SEALIFT_TRY_STATUS(command("migrate-set-capabilities", {{"capabilities", capabilities}}, deadline));
  Json parameters = Json::object();
  if (channels > 0) parameters["multifd-channels"] = channels;
  if (source) {
    // Never 0: QEMU then switches over after the first pass, without what was dirtied meanwhile.
    parameters["downtime-limit"] = 1;
    parameters["max-bandwidth"] = kUnlimited;
  }
  return parameters.empty() ? Status() : command("migrate-set-parameters", parameters, deadline);
}

Status QemuMachine::migrate_incoming(const file::Path& socket, Deadline deadline) {
  return command("migrate-incoming", unix_channel(socket), deadline);
}

Status QemuMachine::migrate_to(const file::Path& socket, Deadline deadline) {
  SEALIFT_TRY_STATUS(give_to_guest_user(socket, user_));
  return command("migrate", unix_channel(socket), deadline);
}

Result<MigrationStatus> QemuMachine::migration_status(Deadline deadline) {
  const Json answer = SEALIFT_TRY(call("query-migrate", {}, deadline));
  return parse_migration_status(answer);
}

Status QemuMachine::continue_switchover(Deadline deadline) {
  return command("migrate-continue", {{"state", "pre-switchover"}}, deadline);
}

Status QemuMachine::cancel_migration(Deadline deadline) {
  return command("migrate_cancel", {}, deadline);
}

Result<MigrationPhase> QemuMachine::wait_migration_end(Deadline deadline, const Stop& stop) {
  while (true) {
    std::uint64_t position = event_position();
    const MigrationStatus now = SEALIFT_TRY(migration_status(deadline));
    if (is_end(now.phase)) return now.phase;
    // An event wakes us; the glance is for an end that has none (a cancel during a stall).
    const Deadline glance = Deadline::in(kGlance);
    const auto event = next_event(position, glance, stop);
    if (!event && event.error().code != Code::kTimeout) return std::unexpected(event.error());
    if (deadline.passed()) {
      return fail(Code::kTimeout, "the migration has not ended: it is {}", to_string(now.phase));
    }
  }
}

}  // namespace sealift::hypervisor::qemu
