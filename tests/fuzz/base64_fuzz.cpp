// Base64 text: one form per value, as signed formats need it.

#include <cstdlib>

#include "base/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = sealift::unbase64(sealift::as_text({data, size}));
  if (bytes && sealift::base64(*bytes) != sealift::as_text({data, size})) std::abort();
  const auto back = sealift::unbase64(sealift::base64({data, size}));
  if (!back || sealift::as_text(*back) != sealift::as_text({data, size})) std::abort();
  return 0;
}
