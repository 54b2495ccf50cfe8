// What a source may send on a disk's stream: decoded, checked against a disk of ten leaves and a short one,
// compressed leaves opened. What is taken for a record encodes to the same header.

#include <algorithm>
#include <cstdlib>

#include "migrate/disk/compress.hpp"
#include "migrate/disk/record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace migrate = sealift::migrate;
  namespace image = sealift::image;
  constexpr std::uint64_t kDiskBytes = 10 * image::kLeafBytes + 512;
  const sealift::ByteView input(data, size);
  const auto record = migrate::decode_disk_record(input);
  if (!record) return 0;
  sealift::Bytes again(migrate::kDiskRecordHeaderBytes);
  migrate::encode_disk_record_header(record->header, again);
  if (!std::ranges::equal(again, input.first(again.size()))) std::abort();
  if (!migrate::check_disk_record(*record, kDiskBytes)) return 0;
  if (record->header.first + record->header.count > image::leaf_count(kDiskBytes)) std::abort();
  if (record->header.kind == migrate::DiskRecordKind::kZstd) {
    static migrate::LeafDecompressor decompressor;
    const std::size_t bytes = image::leaf_length(kDiskBytes, record->header.first);
    const auto leaf = decompressor.decompress(record->bytes, bytes);
    if (leaf && leaf->size() != bytes) std::abort();
  }
  return 0;
}
