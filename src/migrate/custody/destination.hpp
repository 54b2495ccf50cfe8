#pragma once

// Custody at the destination: from the accepted offer to the running guest.
//
//   Accepting -accepted-> Receiving -loaded-> Loaded -seal equal-> Syncing -synced-> Committing
//       |                     |                 |                      |             |   |
//       '------- trouble, seal differs: Destroying -aborted-> Erasing(aborted)  <-aborted   | committed
//                                                                                           v
//   Claiming <-refused, source left- Returning <-cannot start------ Starting(incoming | disks)
//       |                                | returned                      | guest runs
//       '-started-> Ended(moved)         '-> Erasing(returned)       Started -started-> Ended(moved)
//
//   Erasing -erased-> Ended: the ledger is done with the move, and nothing of it is left here.
//
// Rules kept here: nothing is committed that differs or is not durable; from Committing on nothing is
// destroyed until the ledger orders an abort or a return; the guest runs only after the commit is final and
// Starting is durable; a return is submitted only when its QEMU is dead and Starting was not left behind by a
// crash (then the guest may have run: it starts from its disks instead). A vm.recover before the commit ends
// the move; what the seal has shown to be whole is never erased by it: recovered to this host, it becomes its
// VM, powered off, to be started as any VM at rest; recovered to another one, it goes to quarantine.
//
// Loaded and Syncing are not durable: Receiving's restart destroys what a live move had received (its RAM
// stream cannot go on) and continues a cold one. Every other state is durable.

#include "base/result.hpp"
#include "migrate/custody/destination_events.hpp"
#include "migrate/custody/terms.hpp"

namespace sealift::migrate::custody::destination {

struct Accepting {
  bool operator==(const Accepting&) const = default;
};
struct Receiving {
  bool operator==(const Receiving&) const = default;
};
struct Loaded {
  bool operator==(const Loaded&) const = default;
};
struct Syncing {
  Bytes seal;
  bool recovered = false;  // to this host, meanwhile: the copy is taken in once it is durable
  bool operator==(const Syncing&) const = default;
};
struct Committing {
  Bytes seal;              // the source's signed seal, exact bytes: part of move.commit
  bool qemu_gone = false;  // seen again after a restart. Not journaled
  bool operator==(const Committing&) const = default;
};
struct Starting {
  enum class From : std::uint8_t { kIncoming = 1, kDisks = 2 };
  From from = From::kIncoming;
  bool restarted = false;  // then a failed start does not prove that it never ran. Not journaled
  bool operator==(const Starting&) const = default;
};
struct Started {
  bool operator==(const Started&) const = default;
};
struct Returning {
  bool operator==(const Returning&) const = default;
};
// A return was refused because the source is no member any more. Its bytes may still be on their way, so
// move.started is ordered first, then the start from the disks.
struct Claiming {
  bool ordered = false;  // move.started is final. Not journaled
  bool operator==(const Claiming&) const = default;
};
struct Destroying {
  std::string reason;
  bool operator==(const Destroying&) const = default;
};
struct Erasing {
  Outcome outcome = Outcome::kAborted;
  std::string reason;
  bool operator==(const Erasing&) const = default;
};
struct Ended {
  Outcome outcome = Outcome::kAborted;
  std::string reason;
  bool operator==(const Ended&) const = default;
};
using State = std::variant<Accepting, Receiving, Loaded, Syncing, Committing, Starting, Started, Returning,
                           Claiming, Destroying, Erasing, Ended>;

using Step = custody::Step<State, Deed>;

Step begin(const MoveTerms& terms);  // Accepting, journaled; move.accept submitted
Step step(const MoveTerms& terms, const State& state, const Event& event);

std::string_view name(const State& state);
bool durable(const State& state);
bool ended(const State& state);

// Journal form: u8 version (1), u8 state tag, the state's fields. Durable states only (checked).
Bytes encode(const State& state);
Result<State> decode(ByteView bytes);  // kInvalid; kUnsupported names both versions

}  // namespace sealift::migrate::custody::destination
