// Parameters of ledger.propose.
#include "base/json.hpp"
#include "domain/messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = sealift::json::parse(sealift::as_text({data, size}), 1024 * 1024);
  if (value) static_cast<void>(sealift::domain::parse_propose_request(*value));
  return 0;
}
