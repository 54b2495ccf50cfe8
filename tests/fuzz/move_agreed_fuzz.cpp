// A move's terms as the journal keeps them: what decodes is encoded to text that decodes to the same.
#include <cstdlib>

#include "migrate/agreed.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace migrate = sealift::migrate;
  const auto agreed = migrate::decode_agreed(std::string(sealift::as_text({data, size})));
  if (!agreed) return 0;
  const std::string text = migrate::encode_agreed(*agreed);
  const auto again = migrate::decode_agreed(text);
  if (!again || migrate::encode_agreed(*again) != text) std::abort();
  return 0;
}
