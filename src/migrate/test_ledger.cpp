#include "migrate/test_ledger.hpp"

#include "base/json.hpp"

namespace sealift::migrate::testing {

using namespace std::chrono_literals;

namespace {

std::uint64_t now_ms() {
  return static_cast<std::uint64_t>(system_clock().wall().time_since_epoch().count());
}

}  // namespace

SharedLedger::SharedLedger(const ledger::Genesis& genesis) {
  chain_.lock()->state = std::make_shared<const ledger::State>(ledger::State::from_genesis(genesis));
}

Result<ledger::RecordId> SharedLedger::submit(ByteView envelope) {
  auto chain = chain_.lock();
  ledger::Record record = SEALIFT_TRY(ledger::parse_record(envelope));
  const ledger::RecordId id = record.id;
  if (chain->records.contains(id)) return id;
  const auto verified = SEALIFT_TRY(ledger::verify_record(std::move(record), *chain->state));
  auto next = SEALIFT_TRY(ledger::apply(*chain->state, verified, {chain->height + 1, now_ms(), 1}));
  ++chain->height;
  chain->state = std::make_shared<const ledger::State>(std::move(next));
  chain->records[id] = {ledger::RecordStatus::Kind::kFinal, chain->height, system_clock().wall(), {}};
  chain_.notify_all();
  return id;
}

std::shared_ptr<const ledger::State> SharedLedger::state() const {
  return chain_.lock()->state;
}
std::uint64_t SharedLedger::height() const {
  return chain_.lock()->height;
}

bool SharedLedger::wait_beyond(std::uint64_t height, SteadyTime until) const {
  return chain_.lock().wait_until(until, [&](const Chain& chain) { return chain.height > height; });
}

std::optional<ledger::RecordStatus> SharedLedger::status(const ledger::RecordId& id) const {
  auto chain = chain_.lock();
  const auto found = chain->records.find(id);
  if (found == chain->records.end()) return std::nullopt;
  return found->second;
}

crypto::Identity identity_of(const std::string& name) {
  return *crypto::Identity::from_seed(crypto::sha256(as_bytes(name)).view());
}

ledger::Genesis genesis_of(const std::vector<std::string>& founders) {
  SeededRandom random(7);
  Json whole;
  for (const std::string& name : founders) {
    const ledger::HostInfo info{
        *ledger::HostName::parse(name), identity_of(name).public_key(), {}, "", false};
    const ledger::Genesis alone = ledger::make_genesis(info, {}, system_clock().wall(), random);
    const Json json = *json::parse(as_text(alone.bytes), ledger::kGenesisBytesMax);
    if (whole.is_null())
      whole = json;
    else
      whole["founders"].push_back(json.at("founders").at(0));
  }
  return *ledger::parse_genesis(as_bytes(json::dump(whole)));
}

Result<ledger::RecordId> LedgerView::submit(ByteView envelope, Deadline, const Stop&) {
  if (!reachable) return fail(Code::kUnavailable, "the ledger is out of reach");
  return shared_.submit(envelope);
}

Result<ledger::RecordStatus> LedgerView::status(const ledger::RecordId& id) {
  if (!reachable) return fail(Code::kUnavailable, "the ledger is out of reach");
  return shared_.status(id).value_or(ledger::RecordStatus{});
}

Result<ledger::RecordStatus> LedgerView::wait(const ledger::RecordId& id, Deadline, const Stop&) {
  return status(id);
}

std::shared_ptr<const ledger::State> LedgerView::final_state() {
  const std::lock_guard lock(mutex_);
  if (reachable || !last_) {
    last_ = shared_.state();
    last_height_ = shared_.height();
  }
  return last_;
}

std::uint64_t LedgerView::final_height() {
  (void)final_state();
  const std::lock_guard lock(mutex_);
  return last_height_;
}

Result<std::uint64_t> LedgerView::wait_beyond(std::uint64_t height, Deadline deadline, const Stop& stop) {
  while (!stop.stopped()) {
    if (final_height() > height) return final_height();
    if (deadline.passed()) return fail(Code::kTimeout, "no new block");
    const SteadyTime slice = std::chrono::steady_clock::now() + 20ms;
    (void)shared_.wait_beyond(reachable ? height : UINT64_MAX, slice);
  }
  return fail(Code::kCancelled, "stopped");
}

Result<ledger::QuorumAnswer> LedgerView::ask_quorum(ByteView, Deadline, const Stop&) {
  if (!reachable) return fail(Code::kUnavailable, "the ledger is out of reach");
  ledger::QuorumAnswer answer;
  answer.height = shared_.height();
  for (const ledger::Member& member : shared_.state()->members()) answer.answered.push_back(member.info.name);
  return answer;
}

Result<Bytes> LedgerView::receipt(const ledger::MoveId&) {
  return fail(Code::kNotFound, "this ledger makes no receipts");
}

Result<std::vector<ledger::LogEntry>> LedgerView::log(std::uint64_t, std::size_t) {
  return std::vector<ledger::LogEntry>{};
}

}  // namespace sealift::migrate::testing
