#pragma once

// Ledger: what custody, host and api ask of the ledger, whichever engine keeps it. All calls may come from
// several threads. Hosts act on final records only.
//
// A client never treats a time-out as failure: the outcome is unknown, and the same bytes may be submitted
// for ever. A refusal changed nothing: the caller reads the state.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/stop.hpp"
#include "ledger/ids.hpp"
#include "ledger/state.hpp"

namespace sealift::ledger {

struct RecordStatus {
  enum class Kind { kUnknown, kPending, kFinal, kRefused };
  Kind kind = Kind::kUnknown;
  std::uint64_t height = 0;  // kPending once in a block, kFinal
  WallTime time{};           // of that block
  std::string reason;        // kRefused: by which rule, and what to do
};

// A quorum answered a nonce drawn by the caller, each answer signed or over its authenticated connection.
// When ask_quorum() returns, final_state() holds every block that was final when the question was asked.
struct QuorumAnswer {
  std::uint64_t height = 0;  // final height that the answers vouch for
  std::uint64_t term = 0;
  std::vector<HostName> answered;  // this host included
};

struct LogEntry {
  std::uint64_t height = 0;
  WallTime time{};
  RecordId id;
  Bytes envelope;
  bool final = false;
};

class Ledger {
 public:
  virtual ~Ledger() = default;

  // Hands the record to whoever orders it. Idempotent. Returns its id once it is stored there (not yet
  // final); kInvalid: no record; kRefused: a rule says no (reason in words); kTimeout, kUnavailable: unknown.
  virtual Result<RecordId> submit(ByteView envelope, Deadline deadline, const Stop& stop) = 0;
  virtual Result<RecordStatus> status(const RecordId& id) = 0;
  // Until it is final or refused; kTimeout at the deadline (unknown then).
  virtual Result<RecordStatus> wait(const RecordId& id, Deadline deadline, const Stop& stop) = 0;
  // Who waits for something takes the height first, then the state: a block may become final between the two.
  virtual std::shared_ptr<const State> final_state() = 0;  // shared: snapshots outlive later blocks
  virtual std::uint64_t final_height() = 0;                // final_state() is this one's or newer
  // Until final_height() > height; returns it.
  virtual Result<std::uint64_t> wait_beyond(std::uint64_t height, Deadline deadline, const Stop& stop) = 0;
  virtual Result<QuorumAnswer> ask_quorum(ByteView nonce, Deadline deadline, const Stop& stop) = 0;

  // The receipt of a committed move (receipt.hpp). kNotFound: no such move; kUnavailable: not final yet.
  virtual Result<Bytes> receipt(const MoveId& move) = 0;
  // Records in blocks from that height on, in order, at most count_max.
  virtual Result<std::vector<LogEntry>> log(std::uint64_t from_height, std::size_t count_max) = 0;
};

}  // namespace sealift::ledger
