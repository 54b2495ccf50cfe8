#include "hypervisor/qemu/answers.hpp"

#include <array>
#include <cmath>
#include <utility>

namespace sealift::hypervisor::qemu {

namespace {

constexpr std::size_t kWordBytesMax = 64;
constexpr std::size_t kBlockedMax = 16;

template <class Value, std::size_t Count>
Value look_up(const std::array<std::pair<std::string_view, Value>, Count>& table, std::string_view word,
              Value otherwise) {
  for (const auto& [name, value] : table) {
    if (name == word) return value;
  }
  return otherwise;
}

constexpr std::array<std::pair<std::string_view, RunState>, 12> kRunStates{{
    {"running", RunState::kRunning},
    {"paused", RunState::kPaused},
    {"prelaunch", RunState::kPaused},
    {"inmigrate", RunState::kIncoming},
    {"finish-migrate", RunState::kFinishMigrate},
    {"postmigrate", RunState::kPostMigrate},
    {"suspended", RunState::kSuspended},
    {"shutdown", RunState::kShutdown},
    {"guest-panicked", RunState::kPanicked},
    {"io-error", RunState::kIoError},
    {"internal-error", RunState::kOther},
    {"watchdog", RunState::kOther},
}};

constexpr std::array<std::pair<std::string_view, MigrationPhase>, 14> kPhases{{
    {"none", MigrationPhase::kNone},
    {"setup", MigrationPhase::kSetup},
    {"wait-unplug", MigrationPhase::kSetup},
    {"active", MigrationPhase::kActive},
    {"pre-switchover", MigrationPhase::kPreSwitchover},
    {"device", MigrationPhase::kDevice},
    {"postcopy-active", MigrationPhase::kPostcopy},
    {"postcopy-paused", MigrationPhase::kPostcopy},
    {"postcopy-recover", MigrationPhase::kPostcopy},
    {"completed", MigrationPhase::kCompleted},
    {"failed", MigrationPhase::kFailed},
    {"cancelling", MigrationPhase::kCancelling},
    {"cancelled", MigrationPhase::kCancelled},
    {"colo", MigrationPhase::kOther},
}};

constexpr std::array<std::pair<std::string_view, EventKind>, 13> kEvents{{
    {"MIGRATION", EventKind::kMigration},
    {"MIGRATION_PASS", EventKind::kMigrationPass},
    {"STOP", EventKind::kStop},
    {"RESUME", EventKind::kResume},
    {"SHUTDOWN", EventKind::kShutdown},
    {"POWERDOWN", EventKind::kPowerdown},
    {"SUSPEND", EventKind::kSuspend},
    {"SUSPEND_DISK", EventKind::kSuspend},
    {"WAKEUP", EventKind::kWakeup},
    {"RESET", EventKind::kReset},
    {"GUEST_PANICKED", EventKind::kGuestPanicked},
    {"GUEST_CRASHLOADED", EventKind::kGuestPanicked},
    {"BLOCK_IO_ERROR", EventKind::kDiskError},
}};

Result<std::string> word_of(const Json& object, std::string_view name) {
  std::string word = SEALIFT_TRY(json::text(object, name));
  if (word.empty() || word.size() > kWordBytesMax)
    return fail(Code::kInvalid, "field '{}' is empty or too long", name);
  return word;
}

// Statistics: absent is 0; QEMU writes some as signed, some as real numbers.
Result<std::uint64_t> count(const Json& object, std::string_view name) {
  if (!json::has(object, name)) return 0;
  const Json& value = object.at(std::string(name));
  if (value.is_number_float()) {
    const double real = value.get<double>();
    if (!std::isfinite(real) || real < 0 || real > 9e18)
      return fail(Code::kInvalid, "field '{}' is out of range", name);
    return static_cast<std::uint64_t>(real);
  }
  if (value.is_number_integer() && !value.is_number_unsigned()) return 0;  // negative: not known yet
  return json::number(object, name);
}

}  // namespace

MigrationPhase parse_phase(std::string_view word) {
  return look_up(kPhases, word, MigrationPhase::kOther);
}

Result<MachineStatus> parse_status(const Json& answer) {
  MachineStatus status;
  status.word = SEALIFT_TRY(word_of(answer, "status"));
  status.running = SEALIFT_TRY(json::boolean(answer, "running"));
  status.state = look_up(kRunStates, status.word, RunState::kOther);
  return status;
}

Result<MigrationStatus> parse_migration_status(const Json& answer) {
  MigrationStatus out;
  if (json::has(answer, "blocked-reasons")) {
    const Json reasons = SEALIFT_TRY(json::array(answer, "blocked-reasons"));
    for (const Json& reason : reasons) {
      if (out.blocked.size() == kBlockedMax) break;
      if (reason.is_string()) out.blocked.push_back(reason.get<std::string>().substr(0, 256));
    }
  }
  if (!json::has(answer, "status")) return out;  // no migration yet: an empty object
  const std::string word = SEALIFT_TRY(word_of(answer, "status"));
  out.phase = parse_phase(word);
  if (json::has(answer, "error-desc")) out.error = SEALIFT_TRY(json::text(answer, "error-desc"));
  out.error.resize(std::min<std::size_t>(out.error.size(), 1024));
  out.total_ms = SEALIFT_TRY(count(answer, "total-time"));
  out.downtime_ms = SEALIFT_TRY(count(answer, "downtime"));
  out.expected_downtime_ms = SEALIFT_TRY(count(answer, "expected-downtime"));
  if (!json::has(answer, "ram")) return out;
  const Json ram = SEALIFT_TRY(json::object(answer, "ram"));
  out.total_bytes = SEALIFT_TRY(count(ram, "total"));
  out.transferred_bytes = SEALIFT_TRY(count(ram, "transferred"));
  out.remaining_bytes = SEALIFT_TRY(count(ram, "remaining"));
  out.passes = SEALIFT_TRY(count(ram, "dirty-sync-count"));
  const std::uint64_t dirty_pages = SEALIFT_TRY(count(ram, "dirty-pages-rate"));
  const std::uint64_t page_bytes = SEALIFT_TRY(count(ram, "page-size"));
  if (page_bytes > (1ULL << 30) || dirty_pages > (1ULL << 33))
    return fail(Code::kInvalid, "the dirty rate is out of range");
  out.dirty_bytes_per_second = dirty_pages * page_bytes;
  out.megabits_per_second = SEALIFT_TRY(count(ram, "mbps"));
  return out;
}

Result<std::optional<std::uint64_t>> parse_dirty_rate(const Json& answer) {
  if (SEALIFT_TRY(word_of(answer, "status")) != "measured") return std::optional<std::uint64_t>();
  const std::uint64_t mib = SEALIFT_TRY(count(answer, "dirty-rate"));
  if (mib > (1ULL << 30)) return fail(Code::kInvalid, "the dirty rate is out of range");
  return std::optional(mib << 20U);
}

Result<std::uint64_t> parse_written_bytes(const Json& answer) {
  if (!answer.is_array()) return fail(Code::kInvalid, "query-blockstats: not a list");
  std::uint64_t sum = 0;
  for (const Json& device : answer) {
    const Json stats = SEALIFT_TRY(json::object(device, "stats"));
    sum += SEALIFT_TRY(count(stats, "wr_bytes"));
  }
  return sum;
}

Result<Event> parse_event(const Json& message) {
  Event event;
  event.word = SEALIFT_TRY(word_of(message, "event"));
  event.kind = look_up(kEvents, event.word, EventKind::kOther);
  if (!json::has(message, "data")) return event;
  const Json data = SEALIFT_TRY(json::object(message, "data"));
  if (event.kind == EventKind::kMigration) {
    const std::string phase = SEALIFT_TRY(word_of(data, "status"));
    event.phase = parse_phase(phase);
  }
  if (event.kind == EventKind::kMigrationPass) event.pass = SEALIFT_TRY(json::number(data, "pass"));
  if ((event.kind == EventKind::kShutdown || event.kind == EventKind::kReset) && json::has(data, "guest"))
    event.by_guest = SEALIFT_TRY(json::boolean(data, "guest"));
  return event;
}

}  // namespace sealift::hypervisor::qemu
