// REJOIN, a peer that comes back: what decodes is encoded to the same bytes.

#include <algorithm>
#include <cstdlib>

#include "transport/control.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto request = transport::decode_rejoin({data, size});
  if (request && !std::ranges::equal(transport::encode_rejoin(*request), ByteView(data, size))) std::abort();
  return 0;
}
