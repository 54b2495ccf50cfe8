// Verifier keys: what parses is printed back as the same text, under a valid host name.

#include <cstdlib>

#include "crypto/identity.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = sealift::as_text({data, size});
  const auto key = sealift::crypto::PublicKey::parse_verifier_key(text);
  if (key && (key->verifier_key() != text || !sealift::crypto::valid_host_name(key->name))) std::abort();
  return 0;
}
