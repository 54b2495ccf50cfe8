// OPENED, and the counts of ACK and REJOINED, from the accepting side: what decodes is within the limits and
// encoded to the same bytes.
#include <algorithm>
#include <cstdlib>

#include "transport/control.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (const auto agreement = transport::decode_agreement(input)) {
    if (agreement->connections > transport::kConnectionsMax ||
        agreement->window_bytes > transport::kWindowBytesMax ||
        agreement->streams_max > transport::kStreamsMax) {
      std::abort();
    }
    if (!std::ranges::equal(transport::encode_agreement(*agreement), input)) std::abort();
  }
  if (const auto count = transport::decode_count(input))
    if (!std::ranges::equal(transport::encode_count(*count), input)) std::abort();
  return 0;
}
