#pragma once

// ask_quorum() with a nonce of its own: what everybody does who only wants to know what is final now.

#include "base/clock.hpp"
#include "ledger/ledger.hpp"

namespace sealift::ledger {

Result<QuorumAnswer> ask_quorum_now(Ledger& ledger, Random& random, Deadline deadline, const Stop& stop);

}  // namespace sealift::ledger
