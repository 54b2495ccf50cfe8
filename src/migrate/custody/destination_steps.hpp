#pragma once

// Inside the destination's machine: one function per state, each with a switch over every event and no
// default, so that the compiler finds a missing case.

#include "migrate/custody/destination.hpp"

namespace sealift::migrate::custody::destination::detail {

// Before the commit is asked for (destination_before.cpp).
Step on(const MoveTerms& terms, const Accepting& state, const Event& event);
Step on(const MoveTerms& terms, const Receiving& state, const Event& event);
Step on(const MoveTerms& terms, const Loaded& state, const Event& event);
Step on(const MoveTerms& terms, const Syncing& state, const Event& event);
Step on(const MoveTerms& terms, const Destroying& state, const Event& event);
// After it (destination_after.cpp).
Step on(const MoveTerms& terms, const Committing& state, const Event& event);
Step on(const MoveTerms& terms, const Starting& state, const Event& event);
Step on(const MoveTerms& terms, const Started& state, const Event& event);
Step on(const MoveTerms& terms, const Returning& state, const Event& event);
Step on(const MoveTerms& terms, const Claiming& state, const Event& event);
Step on(const MoveTerms& terms, const Erasing& state, const Event& event);
Step on(const MoveTerms& terms, const Ended& state, const Event& event);

std::string reason_of(const Event& event);
// The ledger is done with the move: what was received goes, then it is over.
Step erase(Outcome outcome, std::string reason);
// Recovered to this host before the commit: what was sealed and received is its VM, powered off.
Step take_over();
// Recovered to another host: a copy that never ran here is kept aside; one that may run is stopped and
// frozen.
Step lost(const Event& event, Deed deed);
// A fact that the ledger's rules exclude in this state: say so loudly, change nothing.
Step impossible(State state, const Event& event);

}  // namespace sealift::migrate::custody::destination::detail
