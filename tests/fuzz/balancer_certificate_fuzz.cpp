// A balancer's certificate: nothing that a stranger makes is anybody's right.
#include <cstdlib>

#include "traffic/certificate.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  const auto certificate = traffic::parse_certificate({data, size});
  if (!certificate) return 0;
  const auto none = [](const ledger::HostName&) { return std::optional<crypto::PublicKey>(); };
  const auto self = [&](const ledger::HostName&) { return std::optional(crypto::PublicKey()); };
  const traffic::Certificate& said = certificate->said;
  if (traffic::verify_certificate(*certificate, said.domain, said.key, none, WallTime{})) std::abort();
  if (traffic::verify_certificate(*certificate, said.domain, said.key, self, WallTime{})) std::abort();
  return 0;
}
