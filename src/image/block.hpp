#pragma once

// The two ends of every copy: a BlockSource is read, a BlockSink is written. They say nothing of files or
// protocols; raw_file.hpp and nbd.hpp implement them.
//
// Threads: every call of both may be made from several threads at once; calls for overlapping ranges are the
// caller's to order. Offsets and lengths are in bytes and lie inside size_bytes() (a range outside is
// kInvalid). Leaf: the unit of transfer, digest and dirty tracking; the last one of a disk may be short.

#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace sealift::image {

constexpr std::uint64_t kLeafBytes = 262144;
constexpr std::uint64_t kSectorBytes = 512;                        // a disk's size is a multiple of it
constexpr std::uint64_t kDiskBytesMax = std::uint64_t{64} << 40U;  // 64 TiB, 2^28 leaves

constexpr std::uint64_t leaf_count(std::uint64_t disk_bytes) {
  return (disk_bytes + kLeafBytes - 1) / kLeafBytes;
}
// Length of that leaf: kLeafBytes but for the last one. leaf < leaf_count(disk_bytes).
constexpr std::size_t leaf_length(std::uint64_t disk_bytes, std::uint64_t leaf) {
  const std::uint64_t left = disk_bytes - leaf * kLeafBytes;
  return static_cast<std::size_t>(left < kLeafBytes ? left : kLeafBytes);
}
// kInvalid: not a multiple of 512, or larger than kDiskBytesMax.
Status check_disk_size(std::uint64_t disk_bytes);
// kInvalid: outside [0, size_bytes).
Status check_range(std::uint64_t offset, std::uint64_t length, std::uint64_t size_bytes);

enum class ExtentKind : std::uint8_t { kData, kZero };
struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  ExtentKind kind = ExtentKind::kData;
  bool operator==(const Extent&) const = default;
};

// Appends, joining with the last extent where kind and place allow.
void append_extent(std::vector<Extent>& extents, const Extent& next);
bool all_zero(ByteView bytes);

class BlockSource {
 public:
  virtual ~BlockSource() = default;
  virtual std::uint64_t size_bytes() const = 0;
  // Covers exactly [offset, offset + length), in order, without gaps; neighbours differ in kind. kZero is a
  // promise that the range reads as zeros; kData promises nothing. Ask for bounded windows: the answer may
  // hold an extent per 512 bytes.
  virtual Result<std::vector<Extent>> extents(std::uint64_t offset, std::uint64_t length) = 0;
  virtual Status read(std::uint64_t offset, MutableByteView out) = 0;
};

class BlockSink {
 public:
  virtual ~BlockSink() = default;
  virtual std::uint64_t size_bytes() const = 0;
  virtual Status write(std::uint64_t offset, ByteView bytes) = 0;       // kExhausted: no space left
  virtual Status zero(std::uint64_t offset, std::uint64_t length) = 0;  // a hole where the image can
  virtual Status flush() = 0;  // durable: everything whose write() or zero() returned before this call
};

}  // namespace sealift::image
