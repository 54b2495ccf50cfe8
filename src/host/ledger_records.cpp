#include "host/ledger_records.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "ledger/ask_quorum.hpp"
#include "ledger/record.hpp"

namespace sealift::host {

using namespace std::chrono_literals;
using ledger::RecordStatus;
using ledger::VmId;

namespace {

constexpr Milliseconds kTry{10'000};
constexpr Milliseconds kRetry{1'000};

}  // namespace

LedgerRecords::LedgerRecords(Options options, std::unique_ptr<Inventory> inventory)
    : options_(std::move(options)),
      inventory_(std::move(inventory)),
      numbering_(*options_.ledger, options_.self,
                 [this](const VmId& vm) -> Result<std::uint64_t> {
                   return SEALIFT_TRY(inventory_->numbers(vm)).highest;
                 }),
      unsent_(true) {}

LedgerRecords::~LedgerRecords() {
  stop();
}

void LedgerRecords::start(std::function<bool(const VmId&)> held_back) {
  held_back_ = std::move(held_back);
  sender_ = std::jthread([this] { send_loop(stopping_.token()); });
}

void LedgerRecords::stop() {
  stopping_.stop();
  *unsent_.lock() = true;  // under the lock: the sender is before its wait, or in it
  unsent_.notify_all();
  if (sender_.joinable()) sender_.join();
}

Result<std::unique_ptr<LedgerRecords>> LedgerRecords::open(Options options) {
  auto inventory = SEALIFT_TRY(Inventory::open(options.state_directory / "journal.db"));
  return std::unique_ptr<LedgerRecords>(new LedgerRecords(std::move(options), std::move(inventory)));
}

// Signs the body with the next number and journals it; the sender has the rest.
template <class Body>
Status LedgerRecords::journal(Body body) {
  const auto state = options_.ledger->final_state();
  const auto vm = state->vm(body.vm);
  if (!vm) return fail(Code::kNotFound, "VM {} is not in the ledger", body.vm.text());
  body.epoch = vm->epoch;
  SEALIFT_TRY_STATUS(numbering_.next(body.vm, [&](std::uint64_t number) {
    body.number = number;
    const Bytes envelope = ledger::make_record(state->domain(), body, *options_.identity);
    return inventory_->insert_record({.vm = body.vm, .number = number, .envelope = envelope});
  }));
  *unsent_.lock() = true;
  unsent_.notify_all();
  return {};
}

Status LedgerRecords::submit_now(const ledger::Body& body, Deadline deadline, const Stop& stop) {
  const Bytes envelope =
      ledger::make_record(options_.ledger->final_state()->domain(), body, *options_.identity);
  const ledger::RecordId id = SEALIFT_TRY(options_.ledger->submit(envelope, deadline, stop));
  const RecordStatus status = SEALIFT_TRY(options_.ledger->wait(id, deadline, stop));
  if (status.kind == RecordStatus::Kind::kRefused) return fail(Code::kRefused, "{}", status.reason);
  return {};
}

Status LedgerRecords::registered(const VmId& vm, const crypto::Digest& definition, Deadline deadline,
                                 const Stop& stop) {
  if (const auto known = options_.ledger->final_state()->vm(vm)) {
    if (known->owner == options_.self) return {};
    return fail(Code::kRefused, "VM {} belongs to {}", vm.text(), known->owner.text());
  }
  return submit_now(
      ledger::VmRegister{
          .vm = vm, .epoch = {}, .number = 1, .owner = options_.self, .definition = definition},
      deadline, stop);
}

Status LedgerRecords::retired(const VmId& vm, const std::string& reason, Deadline deadline,
                              const Stop& stop) {
  while (!numbers(vm).settled) {
    if (deadline.passed())
      return fail(Code::kUnavailable, "earlier records of VM {} are not in the ledger yet", vm.text());
    if (stop.sleep(50ms)) return fail(Code::kCancelled, "stopped");
  }
  const auto known = options_.ledger->final_state()->vm(vm);
  if (!known || known->status == ledger::VmStatus::kRetired) return {};
  std::uint64_t number = 0;  // nothing of the VM is on its way, and nothing will be
  SEALIFT_TRY_STATUS(numbering_.next(vm, [&](std::uint64_t next) {
    number = next;
    return Status{};
  }));
  return submit_now(ledger::VmRetire{.vm = vm, .epoch = known->epoch, .number = number, .reason = reason},
                    deadline, stop);
}

Status LedgerRecords::may_start(const VmId& vm, Deadline deadline, const Stop& stop) {
  SEALIFT_TRY_STATUS(ledger::ask_quorum_now(*options_.ledger, *options_.random, deadline, stop));
  const auto state = options_.ledger->final_state();
  const auto known = state->vm(vm);
  if (!known) return fail(Code::kNotFound, "VM {} is not in the ledger", vm.text());
  if (known->status == ledger::VmStatus::kRetired)
    return fail(Code::kRefused, "VM {} is retired: it is never started again", vm.text());
  if (known->owner != options_.self) {
    return fail(Code::kRefused, "VM {} belongs to {} (epoch {}), this host may not start it", vm.text(),
                known->owner.text(), known->epoch.value);
  }
  const auto move = state->last_move(vm);
  if (move && move->open()) {
    return fail(Code::kRefused, "move {} of the VM is {}: wait for it, or abort it (sealift moves abort {})",
                move->id.hex().substr(0, 8), ledger::to_string(move->status), move->id.hex().substr(0, 8));
  }
  return {};
}

// The ledger's word, and after it that of our own records which it does not have yet. These are read first:
// one that becomes final in between is then seen twice, never missed.
std::optional<crypto::Digest> LedgerRecords::rest_root(const VmId& vm) {
  const auto unsettled = inventory_->unsettled_records();
  std::optional<crypto::Digest> root;
  if (const auto known = options_.ledger->final_state()->vm(vm)) root = known->rest_root;
  if (!unsettled) return root;
  for (const RecordRow& row : *unsettled) {
    if (row.vm != vm) continue;
    const auto record = ledger::parse_record(row.envelope);
    if (!record) continue;
    if (const auto* rest = std::get_if<ledger::VmRest>(&record->body)) root = rest->root;
    if (std::holds_alternative<ledger::VmStart>(record->body)) root.reset();
  }
  return root;
}

Status LedgerRecords::started(const VmId& vm, const std::optional<crypto::Digest>& checked,
                              const std::string& reason) {
  return journal(ledger::VmStart{.vm = vm, .epoch = {}, .number = 0, .checked = checked, .reason = reason});
}

Status LedgerRecords::rested(const VmId& vm, const crypto::Digest& root, const std::string& reason) {
  return journal(ledger::VmRest{.vm = vm, .epoch = {}, .number = 0, .root = root, .reason = reason});
}

VmRecords::Numbers LedgerRecords::numbers(const VmId& vm) {
  const auto numbers = inventory_->numbers(vm);
  if (!numbers) return {.highest = 0, .settled = false};
  return {.highest = numbers->highest, .settled = numbers->settled};
}

void LedgerRecords::send_loop(const Stop& stop) {
  while (!stop.stopped()) {
    {
      auto unsent = unsent_.lock();
      unsent.wait([&](const bool& something) { return something || stop.stopped(); });
      *unsent = false;
    }
    bool all_sent = true;
    const auto records = inventory_->unsettled_records();
    if (!records) log_error("journal", {{"why", records.error().message}});
    std::vector<VmId> waiting;  // VMs whose earlier record is still on its way
    for (const RecordRow& record : records.value_or(std::vector<RecordRow>())) {
      if (stop.stopped()) return;
      const bool behind = std::ranges::find(waiting, record.vm) != waiting.end();
      if (behind || (held_back_ && held_back_(record.vm)) || !send_one(record, stop)) {
        waiting.push_back(record.vm);
        all_sent = false;
      }
    }
    if (all_sent && records) continue;
    if (stop.sleep(kRetry)) return;
    *unsent_.lock() = true;
  }
}

// Kept under its new number before the old one is settled: a crash in between says the same thing twice.
Result<bool> LedgerRecords::remade(const RecordRow& record) {
  bool again = false;
  SEALIFT_TRY_STATUS(numbering_.next(record.vm, [&](std::uint64_t next) -> Status {
    if (next == record.number + 1) return {};  // nobody was given one after it: the refusal means its content
    again = true;
    const Bytes envelope = SEALIFT_TRY(renumbered(record.envelope, next, *options_.identity));
    SEALIFT_TRY_STATUS(inventory_->insert_record({.vm = record.vm, .number = next, .envelope = envelope}));
    return inventory_->settle_record(record.vm, record.number);
  }));
  return again;
}

bool LedgerRecords::send_one(const RecordRow& record, const Stop& stop) {
  const auto settle = [&] {
    const Status settled = inventory_->settle_record(record.vm, record.number);
    if (!settled) log_error("journal", {{"why", settled.error().message}});
    return settled.has_value();
  };
  const auto refused = [&](const std::string& why) {
    const auto again = remade(record);
    if (!again) log_error("journal", {{"why", again.error().message}});
    if (!again || *again) return false;
    log_warning("record.refused", {{"vm", record.vm.text()}, {"number", record.number}, {"why", why}});
    return settle();
  };
  const auto id = options_.ledger->submit(record.envelope, Deadline::in(kTry), stop);
  if (!id && id.error().code == Code::kRefused) return refused(id.error().message);
  if (!id) return false;
  const auto status = options_.ledger->wait(*id, Deadline::in(kTry), stop);
  if (!status) return false;
  if (status->kind == RecordStatus::Kind::kRefused) return refused(status->reason);
  return status->kind == RecordStatus::Kind::kFinal && settle();
}

}  // namespace sealift::host
