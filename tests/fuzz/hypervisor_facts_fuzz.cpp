// What another host says that it can do.

#include <cstdlib>

#include "hypervisor/facts.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  const auto json = json::parse(as_text(ByteView(data, size)), 65536);
  if (!json) return 0;
  const auto facts = hypervisor::facts_from_json(*json);
  if (facts && !hypervisor::facts_from_json(hypervisor::to_json(*facts))) std::abort();
  return 0;
}
