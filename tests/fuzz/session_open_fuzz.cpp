// OPEN, a peer's wish for a session: what decodes is within the limits and encoded to the same bytes.

#include <algorithm>
#include <cstdlib>

#include "transport/control.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto request = transport::decode_open({data, size});
  if (!request) return 0;
  if (request->wanted.connections > transport::kConnectionsMax ||
      request->wanted.window_bytes > transport::kWindowBytesMax) {
    std::abort();
  }
  if (!std::ranges::equal(transport::encode_open(*request), ByteView(data, size))) std::abort();
  return 0;
}
