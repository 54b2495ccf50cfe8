// A client's PROXY header: never read beyond what is there; what is accepted is made the same again.

#include <cstdlib>

#include "balance/proxy_header.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  const auto header = balance::decode_proxy_header(ByteView(data, size));
  if (!header || !*header) return 0;
  if ((*header)->bytes > size) std::abort();
  if (!(*header)->client) return 0;
  for (const auto version : {balance::ProxyVersion::kV1, balance::ProxyVersion::kV2}) {
    const Bytes again = balance::encode_proxy_header(version, *(*header)->client, *(*header)->target);
    const auto decoded = balance::decode_proxy_header(again);
    if (!decoded || !*decoded || (*decoded)->client != (*header)->client || (*decoded)->bytes != again.size())
      std::abort();
  }
  return 0;
}
