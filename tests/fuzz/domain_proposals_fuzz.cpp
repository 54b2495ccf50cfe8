// What the server answers to ledger.propose and ledger.proposals.
#include "base/json.hpp"
#include "domain/messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = sealift::json::parse(sealift::as_text({data, size}), 1024 * 1024);
  if (value) static_cast<void>(sealift::domain::parse_proposals(*value));
  return 0;
}
