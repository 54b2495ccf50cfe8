// Control messages of a move: what decodes encodes to something that decodes to the same.

#include <cstdlib>

#include "migrate/protocol.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace protocol = sealift::migrate::protocol;
  const auto message = protocol::decode({data, size});
  if (!message) return 0;
  const sealift::Bytes bytes = protocol::encode(*message);
  const auto again = protocol::decode(bytes);
  if (!again || protocol::encode(*again) != bytes) std::abort();
  return 0;
}
