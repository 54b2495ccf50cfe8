#include "migrate/outbox.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace sealift::migrate {

namespace {

constexpr Milliseconds kSubmitPatience{10'000};
constexpr Milliseconds kRetryFirst{50};
constexpr Milliseconds kRetryLast{2'000};

}  // namespace

Outbox::Outbox(MoveJournal& journal, ledger::Ledger& ledger, host::RecordNumbers& numbers,
               const crypto::Identity& identity, std::function<void(const Settled&)> on_settled)
    : journal_(journal),
      ledger_(ledger),
      numbers_(numbers),
      identity_(identity),
      on_settled_(std::move(on_settled)) {}

Outbox::~Outbox() {
  stop_.stop();
  workers_.notify_all();
  std::map<ledger::VmId, std::jthread> threads;
  std::swap(threads, workers_.lock()->threads);
}

void Outbox::start() {
  const auto vms = journal_.vms_with_pending();
  if (!vms) return log_error("outbox.unreadable", {{"error", vms.error().message}});
  for (const ledger::VmId& vm : *vms) wake(vm);
}

Status Outbox::submit(const ledger::MoveId& move, const ledger::VmId& vm, custody::RecordKind kind,
                      const std::function<Result<Bytes>(std::uint64_t)>& make) {
  if (const auto known = SEALIFT_TRY(journal_.record(move, kind))) {
    announce(*known);
    return {};
  }
  OutboxRow row;
  row.move = move;
  row.vm = vm;
  row.kind = kind;
  SEALIFT_TRY_STATUS(numbers_.next(vm, [&](std::uint64_t number) -> Status {
    row.number = number;
    row.envelope = SEALIFT_TRY(make(number));
    row = SEALIFT_TRY(journal_.put(row));
    return {};
  }));
  announce(row);  // outside: it may settle the record, which asks for numbers
  return {};
}

Status Outbox::submit_made(const ledger::MoveId& move, const ledger::VmId& vm, custody::RecordKind kind,
                           const Bytes& envelope, std::uint64_t number) {
  OutboxRow row;
  row.move = move;
  row.vm = vm;
  row.kind = kind;
  row.number = number;
  row.envelope = envelope;
  announce(SEALIFT_TRY(journal_.put(row)));
  return {};
}

void Outbox::announce(const OutboxRow& kept) {
  if (kept.status == OutboxStatus::kPending) wake(kept.vm);
  // The daemon may have ended between the refusal and its handling: final is seen in the state, a refusal
  // here.
  if (kept.status == OutboxStatus::kRefused) on_settled_({kept.move, kept.kind, kept.status, kept.reason});
}

// The offer stays as it is: its bytes are the move.
Result<bool> Outbox::remade(const OutboxRow& row) {
  bool again = false;
  if (row.kind == custody::RecordKind::kOffer) return false;
  SEALIFT_TRY_STATUS(numbers_.next(row.vm, [&](std::uint64_t next) -> Status {
    if (next == row.number + 1) return {};  // nobody was given one after it: the refusal means its content
    again = true;
    return journal_.renumber(row.sequence, next,
                             SEALIFT_TRY(host::renumbered(row.envelope, next, identity_)));
  }));
  return again;
}

bool Outbox::settled(const ledger::VmId& vm) const {
  const auto row = journal_.next_pending(vm);
  return row && !*row;
}

void Outbox::wake(const ledger::VmId& vm) {
  {
    auto workers = workers_.lock();
    if (stop_.stopped()) return;
    ++workers->rung[vm];
    if (!workers->threads.contains(vm)) workers->threads[vm] = std::jthread([this, vm] { work(vm); });
  }
  workers_.notify_all();
}

void Outbox::work(const ledger::VmId& vm) {
  std::uint64_t seen = 0;
  Milliseconds pause = kRetryFirst;
  while (!stop_.stopped()) {
    seen = workers_.lock()->rung[vm];
    const auto row = journal_.next_pending(vm);
    if (!row) {
      log_error("outbox.unreadable", {{"error", row.error().message}});
      if (stop_.token().sleep(kRetryLast)) return;
      continue;
    }
    if (*row && deliver(**row)) {
      pause = kRetryFirst;
    } else if (*row) {
      if (stop_.token().sleep(pause)) return;
      pause = std::min(pause * 2, kRetryLast);
    } else {
      auto workers = workers_.lock();
      workers.wait([&](Workers& w) { return stop_.stopped() || w.rung[vm] != seen; });
    }
  }
}

bool Outbox::deliver(const OutboxRow& row) {
  Settled settled{row.move, row.kind, OutboxStatus::kFinal, {}};
  const Stop stop = stop_.token();
  const auto id = ledger_.submit(row.envelope, Deadline::in(kSubmitPatience), stop);
  if (id) {
    const auto status = ledger_.wait(*id, Deadline::in(kSubmitPatience), stop);
    if (!status || status->kind == ledger::RecordStatus::Kind::kUnknown ||
        status->kind == ledger::RecordStatus::Kind::kPending)
      return false;
    if (status->kind == ledger::RecordStatus::Kind::kRefused) {
      settled.status = OutboxStatus::kRefused;
      settled.reason = status->reason;
    }
  } else if (id.error().code == Code::kRefused || id.error().code == Code::kInvalid) {
    // Nothing else is the ledger's word: a wrong key or altered bytes on the way say nothing about the
    // record.
    settled.status = OutboxStatus::kRefused;
    settled.reason = id.error().message;
  } else {
    log_debug("outbox.waits", {{"record", custody::to_string(row.kind)}, {"for", id.error().message}});
    return false;
  }
  if (settled.status == OutboxStatus::kRefused) {
    const auto again = remade(row);
    if (!again) log_error("outbox.remake", {{"error", again.error().message}});
    if (!again || *again) return false;
  }
  log_info("move.record", {{"move", row.move.hex().substr(0, 12)},
                           {"record", custody::to_string(row.kind)},
                           {"is", settled.status == OutboxStatus::kFinal ? "final" : settled.reason}});
  const Status kept = journal_.settle(row.sequence, settled.status, settled.reason);
  if (!kept) return false;
  on_settled_(settled);
  return true;
}

}  // namespace sealift::migrate
