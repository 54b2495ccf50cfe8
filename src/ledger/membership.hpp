#pragma once

// How records change who counts, without the rest of the state: for verifiers of receipts and for the chain's
// own history. The digests in the block headers confirm every step.

#include "ledger/record.hpp"
#include "ledger/views.hpp"

namespace sealift::ledger {

MemberSet first_set(const Genesis& genesis);
bool changes_members(const Body& body);
// kInvalid when the record changes nothing, or cannot follow this set.
Result<MemberSet> next_set(const MemberSet& set, const Body& body);

}  // namespace sealift::ledger
