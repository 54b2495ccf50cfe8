#pragma once

// SoloLedger: the ledger of a host that is alone in its domain. A record is final when its block is durable,
// within submit(). Once another member has joined, submit() is kRefused: domain::Node takes over on the same
// store.

#include "ledger/embedded/chain.hpp"

namespace sealift::ledger {

class SoloLedger final : public Ledger {
 public:
  explicit SoloLedger(Chain& chain, const Clock& clock = system_clock()) : chain_(chain), clock_(clock) {}

  Result<RecordId> submit(ByteView envelope, Deadline deadline, const Stop& stop) override;
  Result<RecordStatus> status(const RecordId& id) override;
  Result<RecordStatus> wait(const RecordId& id, Deadline deadline, const Stop& stop) override;
  std::shared_ptr<const State> final_state() override;
  std::uint64_t final_height() override;
  Result<std::uint64_t> wait_beyond(std::uint64_t height, Deadline deadline, const Stop& stop) override;
  Result<QuorumAnswer> ask_quorum(ByteView nonce, Deadline deadline, const Stop& stop) override;
  Result<Bytes> receipt(const MoveId& move) override;
  Result<std::vector<LogEntry>> log(std::uint64_t from_height, std::size_t count_max) override;

 private:
  Chain& chain_;
  const Clock& clock_;
};

}  // namespace sealift::ledger
