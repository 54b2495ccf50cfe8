#include "image/qcow2_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "image/qemu_img.hpp"

namespace sealift::image {

namespace {

constexpr std::uint64_t kL1BytesMax = std::uint64_t{32} << 20U;
constexpr std::uint64_t kOffsetMask = 0x00fffffffffffe00;
constexpr std::uint64_t kCompressed = std::uint64_t{1} << 62U;
constexpr std::uint64_t kReadsAsZeros = 1;
constexpr std::uint64_t kExtendedL2 = 1U << 4U;
constexpr std::size_t kHeaderBytes = 72;  // version 2; version 3 goes on with its features
constexpr std::uint64_t kEntryBytes = 8;
// A file's offset is signed, and a read may go on for a cluster's length.
static_assert(kOffsetMask < std::uint64_t{INT64_MAX} / 2);

}  // namespace

Result<std::unique_ptr<Qcow2File>> Qcow2File::open(const file::Path& path) {
  return open(SEALIFT_TRY(file::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)), path);
}

Result<std::unique_ptr<Qcow2File>> Qcow2File::open(UniqueFd fd, const file::Path& path) {
  std::unique_ptr<Qcow2File> image(new Qcow2File(std::move(fd), path));
  const Status read = image->read_layout();
  if (!read) return because(read.error(), path.string());
  return image;
}

Status Qcow2File::read_layout() {
  struct stat facts{};
  if (::fstat(fd_.get(), &facts) != 0) return fail_errno(errno, "stat");
  if (!S_ISREG(facts.st_mode)) return fail(Code::kInvalid, "it is no regular file");
  Bytes head(std::min<std::uint64_t>(static_cast<std::uint64_t>(facts.st_size), kQcow2HeaderBytesMax));
  SEALIFT_TRY_STATUS(file::read_exact(fd_.get(), head, 0, path_));
  const ImageInfo info = SEALIFT_TRY(decode_qcow2_header(head));  // at least kHeaderBytes, the sizes in order
  if (!info.backing.empty() || info.external_data || info.encrypted)
    return fail(Code::kUnsupported, "a qcow2 image that needs {} is not read",
                info.encrypted ? "a key" : "another file");
  version_ = load_be32(head.data() + 4);
  cluster_bits_ = load_be32(head.data() + 20);
  size_bytes_ = info.virtual_bytes;
  if (version_ >= 3 && (load_be64(head.data() + kHeaderBytes) & kExtendedL2) != 0)
    return fail(Code::kUnsupported, "a qcow2 image with extended L2 entries is not read");
  const std::uint64_t l1_covers = std::uint64_t{1} << (2 * cluster_bits_ - 3);  // bytes of the disk per entry
  const std::uint64_t needed = size_bytes_ / l1_covers + (size_bytes_ % l1_covers == 0 ? 0 : 1);
  const std::uint32_t named = load_be32(head.data() + 36);
  const std::uint64_t at = load_be64(head.data() + 40);
  if (needed > named || needed * kEntryBytes > kL1BytesMax || (at & ~kOffsetMask) != 0)
    return fail(Code::kInvalid, "its L1 table of {} entries at {} is not one for {} bytes", named, at,
                size_bytes_);
  Bytes table(needed * kEntryBytes);
  SEALIFT_TRY_STATUS(file::read_exact(fd_.get(), table, at, path_));
  l1_.resize(needed);
  for (std::uint64_t i = 0; i < needed; ++i) l1_[i] = load_be64(table.data() + i * kEntryBytes) & kOffsetMask;
  return {};
}

Result<std::vector<std::uint64_t>> Qcow2File::entries(std::uint64_t first, std::uint64_t count) const {
  const std::uint64_t per_table = std::uint64_t{1} << (cluster_bits_ - 3);
  std::vector<std::uint64_t> out;
  out.reserve(count);
  Bytes part;
  while (out.size() < count) {
    const std::uint64_t cluster = first + out.size();
    const std::uint64_t within = cluster % per_table;
    const std::uint64_t here = std::min(per_table - within, count - out.size());
    const std::uint64_t table = l1_[cluster / per_table];
    if (table == 0) {
      out.insert(out.end(), here, 0);
      continue;
    }
    part.resize(here * kEntryBytes);
    SEALIFT_TRY_STATUS(read_at(table + within * kEntryBytes, part));
    for (std::uint64_t i = 0; i < here; ++i) {
      const std::uint64_t entry = load_be64(part.data() + i * kEntryBytes);
      if ((entry & kCompressed) != 0)
        return fail(Code::kUnsupported, "{} has compressed clusters, they are not read", path_.string());
      const bool zeros = version_ >= 3 && (entry & kReadsAsZeros) != 0;
      out.push_back(zeros ? 0 : entry & kOffsetMask);
    }
  }
  return out;
}

Status Qcow2File::read_at(std::uint64_t offset, MutableByteView out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd_.get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, fmt::format("read {}", path_.string()));
    if (got == 0) {
      std::ranges::fill(out, std::uint8_t{0});
      return {};
    }
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

Result<std::vector<Extent>> Qcow2File::extents(std::uint64_t offset, std::uint64_t length) {
  SEALIFT_TRY_STATUS(check_range(offset, length, size_bytes_));
  std::vector<Extent> out;
  if (length == 0) return out;
  const std::uint64_t end = offset + length;
  const std::uint64_t first = offset >> cluster_bits_;
  const auto clusters = SEALIFT_TRY(entries(first, ((end - 1) >> cluster_bits_) - first + 1));
  for (std::uint64_t i = 0; i < clusters.size(); ++i) {
    const std::uint64_t from = std::max(offset, (first + i) << cluster_bits_);
    const std::uint64_t to = std::min(end, (first + i + 1) << cluster_bits_);
    append_extent(out, {.offset = from,
                        .length = to - from,
                        .kind = clusters[i] == 0 ? ExtentKind::kZero : ExtentKind::kData});
  }
  return out;
}

Status Qcow2File::read(std::uint64_t offset, MutableByteView out) {
  SEALIFT_TRY_STATUS(check_range(offset, out.size(), size_bytes_));
  if (out.empty()) return {};
  const std::uint64_t end = offset + out.size();
  const std::uint64_t first = offset >> cluster_bits_;
  const auto clusters = SEALIFT_TRY(entries(first, ((end - 1) >> cluster_bits_) - first + 1));
  for (std::uint64_t i = 0; i < clusters.size(); ++i) {
    const std::uint64_t begin = (first + i) << cluster_bits_;
    const std::uint64_t from = std::max(offset, begin);
    const std::uint64_t to = std::min(end, (first + i + 1) << cluster_bits_);
    const MutableByteView piece = out.subspan(from - offset, to - from);
    if (clusters[i] == 0)
      std::ranges::fill(piece, std::uint8_t{0});
    else
      SEALIFT_TRY_STATUS(read_at(clusters[i] + (from - begin), piece));
  }
  return {};
}

}  // namespace sealift::image
