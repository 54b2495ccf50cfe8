#pragma once

// For tests: a ledger that two hosts in one process share. The real records and rules, each record final at
// once; what a real one adds (blocks, cosignatures, receipts) is domain's. A host's view can be cut off.

#include <atomic>

#include "base/guarded.hpp"
#include "ledger/ledger.hpp"
#include "ledger/rules.hpp"

namespace sealift::migrate::testing {

class SharedLedger {
 public:
  explicit SharedLedger(const ledger::Genesis& genesis);

  Result<ledger::RecordId> submit(ByteView envelope);
  std::shared_ptr<const ledger::State> state() const;
  std::uint64_t height() const;
  bool wait_beyond(std::uint64_t height, SteadyTime until) const;
  std::optional<ledger::RecordStatus> status(const ledger::RecordId& id) const;

 private:
  struct Chain {
    std::shared_ptr<const ledger::State> state;
    std::uint64_t height = 0;
    std::map<ledger::RecordId, ledger::RecordStatus> records;
  };
  mutable Guarded<Chain> chain_;
};

// A genesis of these founders, each with the identity of its name.
ledger::Genesis genesis_of(const std::vector<std::string>& founders);
crypto::Identity identity_of(const std::string& name);

class LedgerView final : public ledger::Ledger {
 public:
  explicit LedgerView(SharedLedger& shared) : shared_(shared) {}
  std::atomic<bool> reachable{true};

  Result<ledger::RecordId> submit(ByteView envelope, Deadline deadline, const Stop& stop) override;
  Result<ledger::RecordStatus> status(const ledger::RecordId& id) override;
  Result<ledger::RecordStatus> wait(const ledger::RecordId& id, Deadline deadline, const Stop& stop) override;
  std::shared_ptr<const ledger::State> final_state() override;
  std::uint64_t final_height() override;
  Result<std::uint64_t> wait_beyond(std::uint64_t height, Deadline deadline, const Stop& stop) override;
  Result<ledger::QuorumAnswer> ask_quorum(ByteView nonce, Deadline deadline, const Stop& stop) override;
  Result<Bytes> receipt(const ledger::MoveId& move) override;
  Result<std::vector<ledger::LogEntry>> log(std::uint64_t from_height, std::size_t count_max) override;

 private:
  SharedLedger& shared_;
  std::shared_ptr<const ledger::State> last_;  // what it sees while it is cut off
  std::uint64_t last_height_ = 0;
  std::mutex mutex_;
};

}  // namespace sealift::migrate::testing
