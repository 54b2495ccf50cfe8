#pragma once

// What the ledger's final state means for one move, in the words of the custody machines: the strongest fact
// that holds, for either side. Pure.

#include <optional>

#include "ledger/state.hpp"
#include "migrate/custody/destination_events.hpp"
#include "migrate/custody/source_events.hpp"

namespace sealift::migrate {

// Nothing: the move is not there yet, or only offered.
std::optional<custody::source::EventKind> source_fact(const ledger::State& state, const ledger::MoveId& move);
std::optional<custody::destination::EventKind> destination_fact(const ledger::State& state,
                                                                const ledger::MoveId& move);

}  // namespace sealift::migrate
