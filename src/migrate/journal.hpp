#pragma once

// moves.db: the custody states and the records of every move of this host. "Durable" = the call has returned.
//
//   move    id, role, VM, what was agreed (JSON), the offer's exact bytes, custody state (its codec), ended,
//           and the progress to show of an ended one
//   outbox  records in the order in which they are submitted: kind, exact bytes, and the ledger's answer
//
// A move's state and its records are written by its own thread; everything is thread-safe all the same.

#include <optional>
#include <string>
#include <vector>

#include "base/database.hpp"
#include "base/guarded.hpp"
#include "ledger/ids.hpp"
#include "migrate/custody/terms.hpp"
#include "migrate/progress.hpp"

namespace sealift::migrate {

struct MoveRow {
  ledger::MoveId id;
  MoveRole role = MoveRole::kSource;
  ledger::VmId vm;
  std::string agreed;  // JSON: the request, from, to, mode, epoch, deadline
  Bytes offer;         // source: exact bytes of its record
  Bytes state;         // custody codec
  bool ended = false;
  std::string shown;  // JSON of the last progress
  std::uint64_t began_ms = 0;
};

enum class OutboxStatus { kPending = 0, kFinal = 1, kRefused = 2 };
struct OutboxRow {
  std::int64_t sequence = 0;
  ledger::MoveId move;
  ledger::VmId vm;
  custody::RecordKind kind = custody::RecordKind::kOffer;
  std::uint64_t number = 0;
  Bytes envelope;
  OutboxStatus status = OutboxStatus::kPending;
  std::string reason;
};

class MoveJournal {
 public:
  static constexpr int kSchemaVersion = 1;
  static Result<std::unique_ptr<MoveJournal>> open(const file::Path& path);

  // A new move with its first state. kConflict: an unfinished move of the VM is here (which one).
  Status add(const MoveRow& row);
  Status set_state(const ledger::MoveId& move, ByteView state, bool ended);
  Status set_shown(const ledger::MoveId& move, const std::string& json);
  Result<std::optional<MoveRow>> find(const ledger::MoveId& move);
  Result<std::vector<MoveRow>> all();  // oldest first
  Result<std::optional<ledger::MoveId>> unfinished(const ledger::VmId& vm);

  Result<std::optional<OutboxRow>> record(const ledger::MoveId& move, custody::RecordKind kind);
  // The record of that kind of the move: kept as it was when it is there already.
  Result<OutboxRow> put(const OutboxRow& row);
  Status renumber(std::int64_t sequence, std::uint64_t number, ByteView envelope);
  Status settle(std::int64_t sequence, OutboxStatus status, const std::string& reason);
  Result<std::optional<OutboxRow>> next_pending(const ledger::VmId& vm);
  Result<std::vector<ledger::VmId>> vms_with_pending();
  Result<std::uint64_t> highest_number(const ledger::VmId& vm);

 private:
  explicit MoveJournal(Database database) : database_(std::move(database)) {}
  Guarded<Database> database_;
};

}  // namespace sealift::migrate
