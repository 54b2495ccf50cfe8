// Checkpoints: one text form only, so that two implementations never read one signed text differently.

#include <cstdlib>

#include "crypto/note.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = sealift::as_text({data, size});
  const auto checkpoint = sealift::crypto::parse_checkpoint(text);
  if (checkpoint && sealift::crypto::checkpoint_text(*checkpoint) != text) std::abort();
  return 0;
}
