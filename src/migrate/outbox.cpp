#include "migrate/outbox.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace sealift::migrate {

namespace {

constexpr Milliseconds kSubmitPatience{10'000};
constexpr Milliseconds kRetryFirst{50};
constexpr Milliseconds kRetryLast{2'000};

}  // namespace

Outbox::Outbox(MoveJournal& journal, ledger::Ledger& ledger, std::function<void(const Settled&)> on_settled)
    : journal_(journal), ledger_(ledger), on_settled_(std::move(on_settled)) {}

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
                      std::uint64_t floor, const std::function<Result<Bytes>(std::uint64_t)>& make) {
  const std::uint64_t used = SEALIFT_TRY(journal_.highest_number(vm));
  OutboxRow row;
  row.move = move;
  row.vm = vm;
  row.kind = kind;
  row.number = std::max(floor, used) + 1;
  row.envelope = SEALIFT_TRY(make(row.number));
  const OutboxRow kept = SEALIFT_TRY(journal_.put(row));
  if (kept.status == OutboxStatus::kPending) wake(vm);
  // The daemon may have ended between the refusal and its handling: final is seen in the state, a refusal
  // here.
  if (kept.status == OutboxStatus::kRefused) on_settled_({move, kind, kept.status, kept.reason});
  return {};
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
  log_info("move.record", {{"move", row.move.hex().substr(0, 12)},
                           {"record", custody::to_string(row.kind)},
                           {"is", settled.status == OutboxStatus::kFinal ? "final" : settled.reason}});
  const Status kept = journal_.settle(row.sequence, settled.status, settled.reason);
  if (!kept) return false;
  on_settled_(settled);
  return true;
}

}  // namespace sealift::migrate
