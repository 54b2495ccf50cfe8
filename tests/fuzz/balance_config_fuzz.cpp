// An operator's file: never a crash, and what is accepted can be taken into force.

#include "balance/registry.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  if (size > 16384) return 0;
  const auto config = balance::parse_config(as_text(ByteView(data, size)), "balance.toml");
  if (!config) return 0;
  // A table of 2^18 slots for each input would make the run slow without reaching anything new.
  for (const balance::PoolSpec& pool : config->pools)
    if (pool.algorithm == balance::Algorithm::kIpHash) return 0;
  balance::Registry registry;
  registry.apply(*config, {});
  registry.snapshot({});
  return 0;
}
