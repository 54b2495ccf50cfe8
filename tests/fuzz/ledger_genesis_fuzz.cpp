// Genesis files: the exact bytes are kept, and name the domain.

#include <cstdlib>

#include "ledger/genesis.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto genesis = sealift::ledger::parse_genesis({data, size});
  if (!genesis) return 0;
  if (genesis->id().digest != sealift::crypto::sha256({data, size})) std::abort();
  if (genesis->founders.empty()) std::abort();
  return 0;
}
