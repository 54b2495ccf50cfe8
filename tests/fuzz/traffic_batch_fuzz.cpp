// A host's events: whatever is accepted must be written back as what reads the same.
#include <cstdlib>

#include "traffic/event.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  const auto json = json::parse(as_text({data, size}), 64 * 1024);
  if (!json) return 0;
  const auto batch = traffic::parse_batch(*json);
  if (!batch) return 0;
  const auto again = traffic::parse_batch(traffic::to_json(*batch));
  if (!again || *again != *batch) std::abort();
  return 0;
}
