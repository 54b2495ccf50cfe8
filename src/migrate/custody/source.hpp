#pragma once

// Custody at the source: who may run the VM, from the offer to the fenced copy.
//
//   Offering -accepted-> Copying -converged-> Switching -ready-> Freezing -frozen-> Sealed
//      |                    |    (cold: -ready-> Freezing)          |
//      '--- any trouble before the seal: the guest goes on at once -'
//                           v
//                      Cancelling -aborted-> Ended(aborted)
//
//   Sealed -committed-> Gave -started-> Fencing -closed-> Ended(moved)
//      | aborted          | returned, recovered to us
//      '------------------'-> Undoing -guest runs-> Ended(aborted or returned)
//
// Rules kept here: no seal without our own stop and a clean freeze; at most one seal per move (Sealed holds
// the one statement, is durable before it is signed, and no state leads back before it); before the seal a
// cancel is local, durable and final; after the seal only the ledger's answer releases the guest: an
// operator's abort, a lost session, the deadline and a restart do no more than submit move.abort. After the
// commit the frozen process is killed while frozen, never thawed, unless the VM came back.
//
// Switching and Freezing are not durable: a live move whose daemon restarts before the seal is cancelled by
// Copying's restart. Every other state is durable.

#include "base/result.hpp"
#include "migrate/custody/source_events.hpp"
#include "migrate/custody/terms.hpp"

namespace sealift::migrate::custody::source {

struct Offering {
  bool operator==(const Offering&) const = default;
};
struct Copying {
  bool operator==(const Copying&) const = default;
};
// Own stop asked for; then the last disk round; then QEMU's completion.
struct Switching {
  enum class Part : std::uint8_t { kStopping, kLastRound, kCompleting };
  Part part = Part::kStopping;
  bool operator==(const Switching&) const = default;
};
struct Freezing {
  bool operator==(const Freezing&) const = default;
};
struct Sealed {
  Bytes statement;  // what the seal signs: move, domain, VM, from, to, epoch, roots
  bool operator==(const Sealed&) const = default;
};
struct Gave {
  bool operator==(const Gave&) const = default;
};
struct Fencing {
  bool operator==(const Fencing&) const = default;
};
struct Cancelling {
  std::string reason;
  bool guest_safe = false;   // it runs on, or its own end was seen. Not journaled
  bool record_done = false;  // the abort is final, or there is nothing to abort. Not journaled
  bool operator==(const Cancelling&) const = default;
};
struct Undoing {
  Outcome outcome = Outcome::kAborted;  // kAborted or kReturned
  bool operator==(const Undoing&) const = default;
};
struct Ended {
  Outcome outcome = Outcome::kAborted;
  std::string reason;
  bool operator==(const Ended&) const = default;
};
using State =
    std::variant<Offering, Copying, Switching, Freezing, Sealed, Gave, Fencing, Cancelling, Undoing, Ended>;

using Step = custody::Step<State, Deed>;

Step begin(const MoveTerms& terms);  // Offering, journaled; move.offer submitted
Step step(const MoveTerms& terms, const State& state, const Event& event);

std::string_view name(const State& state);
bool durable(const State& state);
bool ended(const State& state);

// Journal form: u8 version (1), u8 state tag, the state's fields. Durable states only (checked).
Bytes encode(const State& state);
Result<State> decode(ByteView bytes);  // kInvalid; kUnsupported names both versions

}  // namespace sealift::migrate::custody::source
