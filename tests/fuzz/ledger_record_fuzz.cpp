// Records and seals: one form per statement. What parses has the id of its exact bytes, and is described
// without harm.

#include <cstdlib>

#include "ledger/record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace ledger = sealift::ledger;
  const auto record = ledger::parse_record({data, size});
  if (record) {
    if (record->id != ledger::record_id({data, size})) std::abort();
    if (ledger::describe(record->body).empty()) std::abort();
  }
  const auto seal = ledger::parse_seal({data, size});
  if (seal && seal->seal.find("definition") == nullptr) std::abort();
  return 0;
}
