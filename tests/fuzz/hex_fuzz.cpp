// Hex text: either case in general, one form only for digests.

#include <cctype>
#include <cstdlib>

#include "crypto/digest.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  if (const auto bytes = unhex(text)) {
    const std::string printed = hex(*bytes);
    if (printed.size() != text.size()) std::abort();
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (std::tolower(static_cast<unsigned char>(text[i])) != printed[i]) std::abort();
    }
  }
  const auto digest = crypto::Digest::from_hex(text);
  if (digest && digest->hex() != text) std::abort();
  return 0;
}
