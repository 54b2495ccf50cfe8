#pragma once

// Rules, version 1: a pure, deterministic function (state, record, block context) → state, or a refusal
// (kRefused, with the rule and what to do; kUnauthorized: not by who must sign it; kCorrupt: a bad
// signature). Time is the block's. Hosted alike by every engine. Which move record is allowed in which status
// is data: transitions().

#include <span>

#include "ledger/state.hpp"

namespace sealift::ledger {

constexpr std::uint32_t kRulesVersionMax = 1;  // that this build knows

struct BlockContext {
  std::uint64_t height = 0;
  std::uint64_t time_ms = 0;
  std::uint64_t term = 1;
};

// A record whose bytes these keys have signed. Whether they may is the rules' question.
class VerifiedRecord {
 public:
  const Record& record() const { return record_; }
  const std::vector<crypto::PublicKey>& signers() const { return signers_; }

 private:
  friend Result<VerifiedRecord> verify_record(Record record, const State& state);
  VerifiedRecord(Record record, std::vector<crypto::PublicKey> signers)
      : record_(std::move(record)), signers_(std::move(signers)) {}
  Record record_;
  std::vector<crypto::PublicKey> signers_;
};
// Checks the signatures of the state's members (and of the keys that the record itself brings in).
Result<VerifiedRecord> verify_record(Record record, const State& state);

Result<State> apply(const State& state, const VerifiedRecord& record, const BlockContext& context);

// Changes who counts: the next block waits until this one is final, and it is the last record of its block.
bool changes_members(const State& before, const State& after);
// How many members must sign a record about `concerned` (empty: about nobody).
std::size_t approvals_needed(const State& state, const HostName& concerned);

enum class MoveRecord { kAccept, kCommit, kAbort, kStarted, kReturn, kClosed };
enum class Party { kSource, kDestination, kEither };
struct Transition {
  MoveRecord record;
  MoveStatus from;
  MoveStatus to;
  Party by;  // kEither of move.abort: any member once the deadline has passed
};
std::span<const Transition> transitions();

}  // namespace sealift::ledger
