// A manifest from the other side: what parses encodes to something that parses to the same.

#include <cstdlib>

#include "image/manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace image = sealift::image;
  const auto json = sealift::json::parse(sealift::as_text({data, size}), 1 << 20);
  if (!json) return 0;
  const auto manifest = image::parse_manifest(*json);
  if (!manifest) return 0;
  const auto again = image::parse_manifest(image::to_json(*manifest));
  if (!again || *again != *manifest) std::abort();
  return 0;
}
