#pragma once

// The ledger as the custody protocol sees it: one VM, its owner, its moves, records applied in some order.
// The rules are those of the design's table; time is the world's step counter.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "migrate/custody/terms.hpp"

namespace sealift::sim {

using migrate::custody::RecordKind;

struct Record {
  int id = 0;
  int move = 0;
  RecordKind kind = RecordKind::kOffer;
  int signer = 0;
  int number = 0;  // above its signer's last, else refused
};

enum class MoveStatus { kOffered, kAccepted, kCommitted, kStarted, kReturned, kAborted };

struct LedgerMove {
  int from = 0;
  int to = 0;
  std::uint64_t deadline = 0;
  MoveStatus status = MoveStatus::kOffered;
  bool closed = false;
  bool recovered = false;  // aborted by a vm.recover to its destination
};

class LedgerModel {
 public:
  static constexpr std::uint64_t kDeadlineSteps = 400;

  // Empty: it is in (now or before). Otherwise why it is refused.
  std::optional<std::string> apply(const Record& record, std::uint64_t now);
  const LedgerMove* find(int move) const;
  std::optional<int> open_move() const;  // offered or accepted
  int owner() const { return owner_; }
  bool member(int host) const { return !expelled_.contains(host); }
  void recover(int move);  // to the move's destination; its source is expelled
  void expel(int host) { expelled_.insert(host); }
  void rejoin(int host) { expelled_.erase(host); }

 private:
  std::optional<std::string> apply_to(LedgerMove& move, const Record& record, std::uint64_t now);

  std::map<int, LedgerMove> moves_;
  std::map<int, int> last_number_;
  std::set<int> applied_;
  std::set<int> expelled_;
  int owner_ = 0;
};

}  // namespace sealift::sim
