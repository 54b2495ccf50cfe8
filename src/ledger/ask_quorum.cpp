#include "ledger/ask_quorum.hpp"

#include <array>

namespace sealift::ledger {

Result<QuorumAnswer> ask_quorum_now(Ledger& ledger, Random& random, Deadline deadline, const Stop& stop) {
  std::array<std::uint8_t, 32> nonce{};
  random.fill(nonce);
  return ledger.ask_quorum(nonce, deadline, stop);
}

}  // namespace sealift::ledger
