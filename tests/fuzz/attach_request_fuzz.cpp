// The first bytes of a bulk connection, from anybody: what decodes is encoded to the same bytes.

#include <algorithm>
#include <cstdlib>

#include "transport/attach.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto request = transport::decode_attach({data, size});
  if (request && !std::ranges::equal(transport::encode_attach(*request), ByteView(data, size))) std::abort();
  return 0;
}
