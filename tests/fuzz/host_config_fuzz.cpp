// sealift.toml: an operator's text; what is accepted stays within its limits.
#include <cstdlib>

#include "host/config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  const auto config = host::parse_config(as_text({data, size}), "sealift.toml", "/state");
  if (!config) return 0;
  if (!config->networks.contains("default") || !config->pools.contains("default")) std::abort();
  for (const auto& [name, path] : config->pools)
    if (!path.is_absolute()) std::abort();
  for (const auto& [name, network] : config->networks)
    if (host::describe(network).empty()) std::abort();
  return 0;
}
