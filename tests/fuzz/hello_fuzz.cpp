// HELLO, the first frame of a connection: what decodes is encoded to the same bytes.

#include <algorithm>
#include <cstdlib>

#include "net/hello.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto hello = net::decode_hello({data, size});
  if (!hello) return 0;
  const Bytes again = net::encode_hello(*hello);
  if (!std::ranges::equal(again, ByteView(data, size))) std::abort();
  const net::Hello ours{.versions = {1}, .purpose = "move", .host_name = "bern", .domain = ""};
  const auto version = net::common_version(ours, *hello);
  if (version && *version != 1) std::abort();
  return 0;
}
