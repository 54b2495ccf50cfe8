#pragma once

// Inside the source's machine: one function per state, each with a switch over every event and no default, so
// that the compiler finds a missing case.

#include "migrate/custody/source.hpp"

namespace sealift::migrate::custody::source::detail {

// Before the seal (source_before.cpp).
Step on(const MoveTerms& terms, const Offering& state, const Event& event);
Step on(const MoveTerms& terms, const Copying& state, const Event& event);
Step on(const MoveTerms& terms, const Switching& state, const Event& event);
Step on(const MoveTerms& terms, const Freezing& state, const Event& event);
Step on(const MoveTerms& terms, const Cancelling& state, const Event& event);
// After it (source_after.cpp).
Step on(const MoveTerms& terms, const Sealed& state, const Event& event);
Step on(const MoveTerms& terms, const Gave& state, const Event& event);
Step on(const MoveTerms& terms, const Fencing& state, const Event& event);
Step on(const MoveTerms& terms, const Undoing& state, const Event& event);
Step on(const MoveTerms& terms, const Ended& state, const Event& event);

// The VM belongs to another host although this one may run it: stop it, freeze it, say so.
Step lost(const MoveTerms& terms, std::string_view how);
// Why an event takes a move off, in words for the operator.
std::string reason_of(const Event& event);

}  // namespace sealift::migrate::custody::source::detail
