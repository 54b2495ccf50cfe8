#include "migrate/disk/record.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace sealift::migrate {

namespace {

bool leaf_data(DiskRecordKind kind) {
  return kind == DiskRecordKind::kData || kind == DiskRecordKind::kZstd;
}

Status check_header(const DiskRecordHeader& header, std::size_t body_bytes) {
  const auto refuse = [&](std::string_view what) {
    return fail(Code::kCorrupt, "disk record of kind {} with {} leaves and {} bytes: {}",
                static_cast<unsigned>(header.kind), header.count, body_bytes, what);
  };
  switch (header.kind) {
    case DiskRecordKind::kData:
    case DiskRecordKind::kZstd:
      if (header.count != 1) return refuse("it carries one leaf");
      if (body_bytes <= kDigestBytes) return refuse("the leaf is missing");
      if (body_bytes > kDigestBytes + image::kLeafBytes) return refuse("longer than a leaf");
      return {};
    case DiskRecordKind::kZero:
      if (header.count == 0 || header.count > kZeroLeavesMax) return refuse("the count is out of bounds");
      if (body_bytes != 0) return refuse("it has no body");
      return {};
    case DiskRecordKind::kSame:
    case DiskRecordKind::kKnown:
      if (header.count == 0 || header.count > kDigestsMax) return refuse("the count is out of bounds");
      if (body_bytes != header.count * kDigestBytes) return refuse("not a digest per leaf");
      return {};
    case DiskRecordKind::kEnd:
      if (header.count > 1 || header.disk != 0 || header.first == 0 || body_bytes != 0) {
        return refuse("no end of a round");
      }
      return {};
  }
  return refuse("unknown kind");
}

}  // namespace

crypto::Digest DiskRecord::digest(std::size_t index) const {
  SEALIFT_CHECK(index < digests.size() / kDigestBytes);
  crypto::Digest out;
  std::ranges::copy(digests.subspan(index * kDigestBytes, kDigestBytes), out.bytes.begin());
  return out;
}

void encode_disk_record_header(const DiskRecordHeader& header, MutableByteView out) {
  SEALIFT_CHECK(out.size() >= kDiskRecordHeaderBytes);
  out[0] = static_cast<std::uint8_t>(header.kind);
  out[1] = 0;
  store_be16(out.data() + 2, header.disk);
  store_be32(out.data() + 4, header.count);
  store_be64(out.data() + 8, header.first);
}

Result<DiskRecord> decode_disk_record(ByteView record) {
  if (record.size() < kDiskRecordHeaderBytes) {
    return fail(Code::kCorrupt, "disk record of {} bytes: shorter than its header", record.size());
  }
  if (record[1] != 0) return fail(Code::kCorrupt, "disk record: byte 1 is {}, not 0", record[1]);
  DiskRecord out;
  out.header.kind = DiskRecordKind{record[0]};
  out.header.disk = load_be16(record.data() + 2);
  out.header.count = load_be32(record.data() + 4);
  out.header.first = load_be64(record.data() + 8);
  const ByteView body = record.subspan(kDiskRecordHeaderBytes);
  SEALIFT_TRY_STATUS(check_header(out.header, body.size()));
  if (leaf_data(out.header.kind)) {
    out.digests = body.first(kDigestBytes);
    out.bytes = body.subspan(kDigestBytes);
  } else {
    out.digests = body;
  }
  return out;
}

Status check_disk_record(const DiskRecord& record, std::uint64_t disk_bytes) {
  const DiskRecordHeader& header = record.header;
  const std::uint64_t leaves = image::leaf_count(disk_bytes);
  if (header.first >= leaves || header.count > leaves - header.first) {
    return fail(Code::kCorrupt, "disk {}: leaves {}+{} are named, it has {}", header.disk, header.first,
                header.count, leaves);
  }
  if (header.kind == DiskRecordKind::kData &&
      record.bytes.size() != image::leaf_length(disk_bytes, header.first)) {
    return fail(Code::kCorrupt, "disk {}: leaf {} came with {} bytes, it has {}", header.disk, header.first,
                record.bytes.size(), image::leaf_length(disk_bytes, header.first));
  }
  return {};
}

}  // namespace sealift::migrate
