// The ledger's checkpoints: one text form, whatever signatures stand below it.

#include <cstdlib>

#include "ledger/checkpoint.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace ledger = sealift::ledger;
  const auto head = ledger::parse_log_head(sealift::as_text({data, size}));
  if (head && head->text() != sealift::as_text({data, size})) std::abort();
  const auto note = ledger::parse_signed_head({data, size});
  if (note && note->head.text() != note->note.text) std::abort();
  return 0;
}
