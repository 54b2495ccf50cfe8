// An address as an operator, a member's record or an invitation writes it: what parses is printed as text
// that reads the same.
#include <cstdlib>

#include "base/bytes.hpp"
#include "net/endpoint.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  const auto endpoint = net::Endpoint::parse(as_text({data, size}));
  if (!endpoint) return 0;
  const auto again = net::Endpoint::parse(endpoint->text());
  if (!again || *again != *endpoint || endpoint->port == 0) std::abort();
  return 0;
}
