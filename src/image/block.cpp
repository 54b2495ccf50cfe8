#include "image/block.hpp"

#include <cstring>

namespace sealift::image {

Status check_disk_size(std::uint64_t disk_bytes) {
  if (disk_bytes > kDiskBytesMax) {
    return fail(Code::kInvalid, "a disk of {} bytes is larger than the limit of {}", disk_bytes,
                kDiskBytesMax);
  }
  if (disk_bytes % kSectorBytes != 0) {
    return fail(Code::kInvalid, "a disk of {} bytes: not a multiple of {}", disk_bytes, kSectorBytes);
  }
  return {};
}

Status check_range(std::uint64_t offset, std::uint64_t length, std::uint64_t size_bytes) {
  if (offset > size_bytes || length > size_bytes - offset) {
    return fail(Code::kInvalid, "range {}+{} is outside the disk of {} bytes", offset, length, size_bytes);
  }
  return {};
}

void append_extent(std::vector<Extent>& extents, const Extent& next) {
  if (next.length == 0) return;
  if (!extents.empty()) {
    Extent& last = extents.back();
    if (last.kind == next.kind && last.offset + last.length == next.offset) {
      last.length += next.length;
      return;
    }
  }
  extents.push_back(next);
}

bool all_zero(ByteView bytes) {
  // Comparing the range with itself, shifted by a few bytes, lets memcmp's vector code do the work.
  constexpr std::size_t kHead = 16;
  for (std::size_t i = 0; i < bytes.size() && i < kHead; ++i) {
    if (bytes[i] != 0) return false;
  }
  return bytes.size() <= kHead || std::memcmp(bytes.data(), bytes.data() + kHead, bytes.size() - kHead) == 0;
}

}  // namespace sealift::image
