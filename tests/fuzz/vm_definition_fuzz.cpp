// A definition that another host sends: what is accepted comes back equal, in canonical form.

#include <cstdlib>

#include "hypervisor/definition.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  const auto json = json::parse(as_text(ByteView(data, size)), 65536);
  if (!json) return 0;
  const auto definition = hypervisor::from_json(*json);
  if (!definition) return 0;
  const Bytes canonical = hypervisor::canonical_bytes(*definition);
  const auto again = hypervisor::from_json(*json::parse(as_text(canonical), 65536));
  if (!again || *again != *definition || hypervisor::canonical_bytes(*again) != canonical) std::abort();
  return 0;
}
