// A leaf table's header: only the very bytes that are written for a size are taken for it.

#include <algorithm>
#include <cstdlib>

#include "image/leaf_table_header.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kDiskBytes = 1048576;
  constexpr std::size_t kMeaningBytes = 96;
  const sealift::ByteView input(data, size);
  if (!sealift::image::check_leaf_table_header(input, kDiskBytes)) return 0;
  const sealift::Bytes ours = sealift::image::encode_leaf_table_header(kDiskBytes);
  if (!std::ranges::equal(input.first(32), sealift::ByteView(ours).first(32))) std::abort();
  if (size < kMeaningBytes) std::abort();
  return 0;
}
