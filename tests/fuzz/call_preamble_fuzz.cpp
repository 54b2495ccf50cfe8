// The first bytes of a called-back connection: what decodes is encoded to the same bytes.

#include <algorithm>
#include <cstdlib>

#include "net/call_wire.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto token = net::decode_call_preamble({data, size});
  if (token && !std::ranges::equal(net::encode_call_preamble(*token), ByteView(data, size))) std::abort();
  return 0;
}
