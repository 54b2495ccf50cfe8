// Signed notes: what parses is encoded back byte for byte, and what verifies under a known key is one of the
// two texts that this key signed (the corpus holds them), whatever surrounds it.

#include <array>
#include <cstdlib>

#include "crypto/note.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto key = crypto::Identity::from_seed(Bytes(32, 7)).value();
  static const std::array known{crypto::NamedKey{"zurich", key.public_key()}};
  const auto note = crypto::parse_note({data, size});
  if (!note) return 0;
  const auto again = crypto::encode_note(note->text, note->signatures);
  if (!again || *again != as_text({data, size})) std::abort();
  const std::string root = base64(crypto::sha256({}).view());
  const bool genuine = note->text == "sealift/fuzz\n3\n" + root + "\n" ||
                       note->text == "sealift/fuzz\n4\n" + root + "\nterm 2\n";
  const auto verified = crypto::verify_note(*note, known);
  if (verified && (!genuine || verified->signers.size() != 1)) std::abort();
  const auto cosigned = crypto::verify_cosignatures(*note, known);
  if (cosigned && !cosigned->empty() && (!genuine || cosigned->size() != 1)) std::abort();
  return 0;
}
