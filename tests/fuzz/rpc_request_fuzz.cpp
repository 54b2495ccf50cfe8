// A request of another host: what decodes is encoded to a body that reads the same.
#include <cstdlib>

#include "net/rpc_codec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  const auto request = net::decode_rpc_request({data, size});
  if (!request) return 0;
  const std::string body = net::encode_rpc_request(request->id, request->method, request->params);
  const auto again = net::decode_rpc_request(as_bytes(body));
  if (!again || again->id != request->id || again->method != request->method ||
      again->params != request->params)
    std::abort();
  return 0;
}
