// What a source sends on the side files' stream: what is taken for a beginning is encoded to the same bytes.
#include <algorithm>
#include <cstdlib>

#include "migrate/side_files.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace migrate = sealift::migrate;
  const auto record = migrate::decode_side_file_record({data, size});
  if (!record) return 0;
  if (const auto* begin = std::get_if<migrate::SideFileBegin>(&*record)) {
    if (!std::ranges::equal(migrate::encode_side_file_begin(*begin), sealift::ByteView(data, size)))
      std::abort();
  } else if (std::get<migrate::SideFileBytes>(*record).bytes.size() + 1 != size) {
    std::abort();
  }
  return 0;
}
