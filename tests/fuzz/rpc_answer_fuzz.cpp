// The answer of another host to request 1: a value, or an error whose words are fit for a terminal.
#include <cstdlib>

#include "base/text.hpp"
#include "net/rpc_codec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  if (const auto result = net::decode_rpc_result({data, size}, 1)) {
    const auto again = net::decode_rpc_result(as_bytes(net::encode_rpc_result(1, **result)), 1);
    if (!again || **again != **result) std::abort();
  }
  if (const auto error = net::decode_rpc_error({data, size}, 1))
    if (printable(error->error().message) != error->error().message) std::abort();
  return 0;
}
