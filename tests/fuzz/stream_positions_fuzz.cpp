// The body of resume and ack records: what decodes is encoded to the same bytes.

#include <algorithm>
#include <cstdlib>

#include "transport/record.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > transport::kLinkBodyBytesMax) return 0;  // what a record of that kind may hold
  const auto positions = transport::decode_positions({data, size});
  if (!positions) return 0;
  if (!std::ranges::equal(transport::encode_positions(*positions), ByteView(data, size))) std::abort();
  return 0;
}
