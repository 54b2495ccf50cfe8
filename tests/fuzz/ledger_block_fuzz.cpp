// Blocks and their headers: encoding what was parsed gives the same bytes.

#include <algorithm>
#include <cstdlib>

#include "ledger/block.hpp"

namespace {

void same(const sealift::Bytes& again, const std::uint8_t* data, std::size_t size) {
  if (!std::equal(again.begin(), again.end(), data, data + size)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace ledger = sealift::ledger;
  if (const auto header = ledger::parse_block_header({data, size})) same(header->encode(), data, size);
  if (const auto block = ledger::parse_block({data, size})) same(ledger::encode_block(*block), data, size);
  return 0;
}
