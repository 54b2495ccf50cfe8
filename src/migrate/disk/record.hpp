#pragma once

// What the disks' streams carry: one entry per record of the sealed session (transport/stream.hpp keeps the
// boundaries), big-endian. Source to destination on streams 1 to `workers`:
//
//   offset size
//        0    1  kind (DiskRecordKind)
//        1    1  0
//        2    2  disk, its index in the VM's definition
//        4    4  count of leaves
//        8    8  first leaf
//       16       by kind:
//         1 data   count 1; 32 bytes digest, then the leaf's bytes, all of them
//         2 zstd   count 1; 32 bytes digest (of the leaf's bytes), then one zstd frame that opens to exactly
//                  the leaf's length
//         3 zero   nothing: `count` leaves of zeros
//         4 same   count × 32 bytes digest: the destination has these leaves already, it said so itself or
//                  got them in an earlier round of this session; which copy of its own it meant, it knows
//         5 end    nothing: the round `first leaf` is complete on this stream; count 1: the last round,
//                  0: more may follow; disk 0
//
// Destination to source on stream 1, before the first round, up to the stream's end:
//         6 known  count × 32 bytes digest: leaves that the destination has, verified since its start, in the
//                  image itself or in an earlier copy of the disk (earlier_copy.hpp)
//
// Digest: BLAKE3 of the leaf's bytes (image/leaf_table.hpp). Within a round a leaf is named at most once.
// Rounds are counted from 1 in every session. A new kind or another layout needs another protocol number
// (migrate/protocol.hpp).

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"
#include "image/block.hpp"
#include "transport/record.hpp"

namespace sealift::migrate {

enum class DiskRecordKind : std::uint8_t { kData = 1, kZstd, kZero, kSame, kEnd, kKnown };

constexpr std::size_t kDiskRecordHeaderBytes = 16;
constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kLeafRecordHeaderBytes = kDiskRecordHeaderBytes + kDigestBytes;  // of data and zstd
constexpr std::uint32_t kZeroLeavesMax = 1U << 20U;  // in one record, so that its work is bounded
constexpr std::uint32_t kDigestsMax = 8192;          // in one record
static_assert(kLeafRecordHeaderBytes + image::kLeafBytes <= transport::kRecordBytesMax);
static_assert(kDiskRecordHeaderBytes + kDigestsMax * kDigestBytes <= transport::kRecordBytesMax);

struct DiskRecordHeader {
  DiskRecordKind kind = DiskRecordKind::kData;
  std::uint16_t disk = 0;
  std::uint32_t count = 0;
  std::uint64_t first = 0;
  bool operator==(const DiskRecordHeader&) const = default;
};

struct DiskRecord {
  DiskRecordHeader header;
  ByteView digests;  // count × 32 bytes, for data, zstd, same, known
  ByteView bytes;    // for data, zstd
  crypto::Digest digest(std::size_t index) const;
};

void encode_disk_record_header(const DiskRecordHeader& header, MutableByteView out);  // first 16 bytes
// kCorrupt: anything that the table doesn't allow. Which disks and leaves exist is checked by the receiver:
Result<DiskRecord> decode_disk_record(ByteView record);
// kCorrupt: names no such leaves, or data of another length than the leaf's.
Status check_disk_record(const DiskRecord& record, std::uint64_t disk_bytes);

}  // namespace sealift::migrate
