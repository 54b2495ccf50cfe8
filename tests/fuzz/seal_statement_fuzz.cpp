// The parts of a seal as the journal keeps them: one form only.
#include <algorithm>
#include <cstdlib>

#include "migrate/statement.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace migrate = sealift::migrate;
  const auto parts = migrate::decode_statement({data, size});
  if (!parts) return 0;
  if (!std::ranges::equal(migrate::encode_statement(*parts), sealift::ByteView(data, size))) std::abort();
  if (!migrate::difference(*parts, *parts).empty()) std::abort();
  return 0;
}
