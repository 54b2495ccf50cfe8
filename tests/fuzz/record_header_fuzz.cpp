// The header of every sealed record: what decodes is encoded to the same bytes and stays within its limits.

#include <algorithm>
#include <array>
#include <cstdlib>

#include "transport/record.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < transport::kRecordHeaderBytes) return 0;
  const std::span<const std::uint8_t, transport::kRecordHeaderBytes> in(data, transport::kRecordHeaderBytes);
  const auto header = transport::decode_record_header(in);
  if (!header) return 0;
  std::array<std::uint8_t, transport::kRecordHeaderBytes> again{};
  transport::encode_record_header(*header, again);
  if (!std::ranges::equal(again, in) || header->length > transport::kRecordBytesMax) std::abort();
  return 0;
}
