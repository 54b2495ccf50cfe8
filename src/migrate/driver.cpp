#include "migrate/driver.hpp"

#include <algorithm>

namespace sealift::migrate {

namespace {

constexpr Milliseconds kReceiptPatience{10'000};
constexpr Milliseconds kAbortPatience{5'000};
constexpr Milliseconds kSilenceFirst{5'000};  // longer than any answer of a ledger in good health
constexpr Milliseconds kSilenceAgain{30'000};
constexpr std::size_t kEntriesMax = 256;

}  // namespace

Driver::Driver(const Surroundings& around, MoveRow row, Agreed agreed)
    : around_(around), row_(std::move(row)), agreed_(std::move(agreed)) {
  auto progress = progress_.lock();
  progress->id = row_.id;
  progress->vm = row_.vm;
  progress->vm_name = agreed_.request.vm.definition.name;
  progress->from = agreed_.from;
  progress->to = agreed_.to;
  progress->role = row_.role;
  progress->mode = agreed_.mode();
  progress->checks = agreed_.checks;
  progress->expected = agreed_.expected;
  progress->warnings = agreed_.warnings;
  progress->mapped = agreed_.mapped;
  progress->began = WallTime{Milliseconds{row_.began_ms}};
  progress->version = 1;
  for (const IncomingDisk& disk : agreed_.request.vm.disks) {
    DiskProgress shown;
    shown.name = disk.name;
    shown.total_bytes = disk.virtual_bytes;
    progress->disks.push_back(std::move(shown));
  }
}

MoveProgress Driver::progress() const {
  return *progress_.lock();
}

void Driver::update(const std::function<void(MoveProgress&)>& change) {
  MoveProgress copy;
  {
    auto progress = progress_.lock();
    change(*progress);
    ++progress->version;
    copy = *progress;
  }
  progress_.notify_all();
  if (copy.ended) {
    const Status kept = around_.journal->set_shown(row_.id, json::dump(to_json(copy)));
    if (!kept) log_warning("move.unshown", {{"error", kept.error().message}});
  }
  if (around_.changed) around_.changed();
  if (options().on_change) options().on_change(copy);
}

void Driver::say(LogLevel level, std::string_view event, const std::string& text) {
  log(level, event,
      {{"move", row_.id.hex().substr(0, 12)}, {"vm", agreed_.request.vm.definition.name}, {"text", text}});
  update([&](MoveProgress& p) { p.message = text; });
}

void Driver::await(const std::string& what, Silence silence) {
  awaited_ = {silence == Silence::kIsAlarming ? what : "", options().clock->wall(),
              std::chrono::steady_clock::now() + kSilenceFirst};
  update([&](MoveProgress& p) {
    p.waiting = what;
    p.unanswered_since.reset();
  });
}

void Driver::look_at_silence() {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (awaited_.what.empty() || now < awaited_.say_at) return;
  awaited_.say_at = now + kSilenceAgain;
  const std::string text = fmt::format("{} since {}", awaited_.what, to_iso8601(awaited_.since));
  log_warning("move.unanswered", {{"move", row_.id.hex().substr(0, 12)},
                                  {"vm", agreed_.request.vm.definition.name},
                                  {"phase", progress().phase},
                                  {"waiting_for", text}});
  update([&](MoveProgress& p) {
    p.waiting = text;
    p.unanswered_since = awaited_.since;
  });
}

std::string Driver::wait_past(const std::vector<std::string_view>& phases) {
  auto progress = progress_.lock();
  const auto past = [&](const MoveProgress& p) {
    return p.ended || std::ranges::find(phases, p.phase) == phases.end();
  };
  progress.wait_until(std::chrono::steady_clock::now() + kAbortPatience, past);
  return progress->phase;
}

bool Driver::aborted() const {
  return progress().outcome == custody::Outcome::kAborted;
}

Status Driver::submit(custody::RecordKind kind, ByteView seal, const std::string& words) {
  if (kind == custody::RecordKind::kOffer) {  // made when the move began
    const ledger::Record offer = SEALIFT_TRY(ledger::parse_record(row_.offer));
    return around_.outbox->submit_made(row_.id, row_.vm, kind, row_.offer,
                                       std::get<ledger::MoveOffer>(offer.body).number);
  }
  return around_.outbox->submit(row_.id, row_.vm, kind, [&](std::uint64_t number) {
    return make_move_record(agreed_, row_.id, kind, number, seal, words, *options().identity);
  });
}

namespace {

// The words of a record of the move, with who signed it; nothing when it cannot be read.
std::string words_of(ledger::Ledger& ledger, const ledger::Move& move) {
  const auto& id = move.abort ? move.abort : move.returned;
  if (!id) return {};
  const auto entries = ledger.log(move.abort ? move.decided_height : move.offered_height, kEntriesMax);
  if (!entries) return {};
  for (const ledger::LogEntry& entry : *entries) {
    if (entry.id != *id) continue;
    const auto record = ledger::parse_record(entry.envelope);
    if (!record) return {};
    if (const auto* abort = std::get_if<ledger::MoveAbort>(&record->body)) return abort->reason;
    if (const auto* back = std::get_if<ledger::MoveReturn>(&record->body)) return back->reason;
  }
  return {};
}

}  // namespace

std::string Driver::why_ended(custody::Outcome outcome, const std::string& own) const {
  if (outcome == custody::Outcome::kMoved) return own;
  // A bare word is the machine's name for what it saw, not a reason.
  if (own.find(' ') != std::string::npos) return own;
  const auto move = options().ledger->final_state()->move(row_.id);
  const std::string words = move ? words_of(*options().ledger, *move) : "";
  if (!words.empty()) return words;
  const std::string last = progress().message;
  return last.empty() ? own : last;
}

std::string Driver::keep_receipt() {
  const Deadline deadline = Deadline::in(kReceiptPatience);
  auto receipt = options().ledger->receipt(row_.id);
  while (!receipt && receipt.error().code == Code::kUnavailable && !deadline.passed()) {
    if (Stop{}.sleep(Milliseconds{200})) break;
    receipt = options().ledger->receipt(row_.id);
  }
  if (!receipt) return "not there yet (sealift ledger show): " + receipt.error().message;
  const file::Path directory = options().directory / "receipts";
  const file::Path path =
      directory / fmt::format("{}-e{}.receipt", agreed_.request.vm.definition.name, agreed_.epoch.value);
  Status kept = file::make_private_directory(directory);
  if (kept) kept = file::write_atomic(path, *receipt);
  return kept ? path.string() : "could not be written: " + kept.error().message;
}

}  // namespace sealift::migrate
