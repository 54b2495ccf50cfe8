// An error as another host sends it: printable, bounded, and stable once decoded.

#include <cstdlib>

#include "net/error_wire.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto error = net::decode_error({data, size});
  if (!error) return 0;
  for (const char c : error->message) {
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
  }
  const auto again = net::decode_error(net::encode_error(*error));
  if (!again || again->code != error->code || again->message != error->message) std::abort();
  return 0;
}
