// DSSE envelopes: the exact bytes are kept, encoding what was parsed means the same, and what verifies is the
// one payload that the key signed (the corpus holds it).

#include <array>
#include <cstdlib>

#include "crypto/dsse.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto key = crypto::Identity::from_seed(Bytes(32, 7)).value();
  static const std::array trusted{key.public_key()};
  const auto envelope = crypto::parse_envelope({data, size});
  if (!envelope) return 0;
  if (as_text(envelope->bytes()) != as_text({data, size})) std::abort();
  const ByteView payload = envelope->unverified_payload();
  const crypto::Envelope copy{envelope->payload_type(), Bytes(payload.begin(), payload.end()),
                              envelope->signatures()};
  const auto again = crypto::parse_envelope(crypto::encode(copy));
  if (!again || again->signatures() != copy.signatures || again->payload_type() != copy.payload_type ||
      as_text(again->unverified_payload()) != as_text(payload))
    std::abort();
  const auto verified = crypto::verify(*envelope, "application/vnd.in-toto+json", trusted);
  if (verified && as_text(verified->payload) != R"({"kind":"move.offer","epoch":5})") std::abort();
  return 0;
}
