#include "image/raw_file.hpp"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sealift::image {

namespace {

std::string doing(std::string_view verb, const file::Path& path) {
  return fmt::format("{} {}", verb, path.string());
}

}  // namespace

RawFile::RawFile(UniqueFd fd, file::Path path, std::uint64_t size_bytes)
    : fd_(std::move(fd)), path_(std::move(path)), size_bytes_(size_bytes) {}

Result<std::unique_ptr<RawFile>> RawFile::open(const file::Path& path, Access access) {
  // O_NONBLOCK: opening a FIFO in a disk's place must not hang. Regular files and block devices ignore it.
  const int flags = (access == Access::kReadWrite ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK;
  UniqueFd fd = SEALIFT_TRY(file::open(path, flags));
  struct stat facts{};
  if (::fstat(fd.get(), &facts) != 0) return fail_errno(errno, doing("stat", path));
  if (!S_ISREG(facts.st_mode) && !S_ISBLK(facts.st_mode)) {
    return fail(Code::kInvalid, "{} is neither a file nor a block device", path.string());
  }
  const off_t end = ::lseek(fd.get(), 0, SEEK_END);
  if (end < 0) return fail_errno(errno, doing("find the size of", path));
  const Status size = check_disk_size(static_cast<std::uint64_t>(end));
  if (!size) return because(size.error(), path.string());
  return std::unique_ptr<RawFile>(new RawFile(std::move(fd), path, static_cast<std::uint64_t>(end)));
}

Result<std::unique_ptr<RawFile>> RawFile::create(const file::Path& path, std::uint64_t disk_bytes) {
  const Status size = check_disk_size(disk_bytes);
  if (!size) return because(size.error(), path.string());
  UniqueFd fd = SEALIFT_TRY(file::open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW));
  if (::ftruncate(fd.get(), static_cast<off_t>(disk_bytes)) != 0) {
    const int error_number = errno;
    ::unlink(path.c_str());
    return fail_errno(error_number, doing("set the size of", path));
  }
  SEALIFT_TRY_STATUS(file::sync(fd.get(), path));
  SEALIFT_TRY_STATUS(file::sync_directory(path.has_parent_path() ? path.parent_path() : file::Path(".")));
  return std::unique_ptr<RawFile>(new RawFile(std::move(fd), path, disk_bytes));
}

Result<std::vector<Extent>> RawFile::extents(std::uint64_t offset, std::uint64_t length) {
  SEALIFT_TRY_STATUS(check_range(offset, length, size_bytes_));
  std::vector<Extent> found;
  const std::uint64_t end = offset + length;
  while (offset < end) {
    off_t data = ::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0 && errno == ENXIO) data = static_cast<off_t>(end);      // a hole up to the end of the file
    if (data < 0 && errno == EINVAL) data = static_cast<off_t>(offset);  // no holes on this file system
    if (data < 0) return fail_errno(errno, doing("find data in", path_));
    const std::uint64_t data_start = std::clamp(static_cast<std::uint64_t>(data), offset, end);
    append_extent(found, {.offset = offset, .length = data_start - offset, .kind = ExtentKind::kZero});
    if (data_start == end) break;
    const off_t hole = ::lseek(fd_.get(), static_cast<off_t>(data_start), SEEK_HOLE);
    if (hole < 0 && errno != EINVAL && errno != ENXIO)
      return fail_errno(errno, doing("find holes in", path_));
    // A file that changes meanwhile may answer anything: go on by at least a sector.
    const std::uint64_t answer = hole < 0 ? end : static_cast<std::uint64_t>(hole);
    const std::uint64_t data_end = std::min(end, std::max(answer, data_start + kSectorBytes));
    append_extent(found, {.offset = data_start, .length = data_end - data_start, .kind = ExtentKind::kData});
    offset = data_end;
  }
  return found;
}

Status RawFile::read(std::uint64_t offset, MutableByteView out) {
  SEALIFT_TRY_STATUS(check_range(offset, out.size(), size_bytes_));
  return file::read_exact(fd_.get(), out, offset, path_);
}

Status RawFile::write(std::uint64_t offset, ByteView bytes) {
  SEALIFT_TRY_STATUS(check_range(offset, bytes.size(), size_bytes_));
  return file::write_exact(fd_.get(), bytes, offset, path_);
}

Status RawFile::zero(std::uint64_t offset, std::uint64_t length) {
  SEALIFT_TRY_STATUS(check_range(offset, length, size_bytes_));
  if (length == 0) return {};
  constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  while (::fallocate(fd_.get(), kPunch, static_cast<off_t>(offset), static_cast<off_t>(length)) != 0) {
    if (errno == EINTR) continue;
    if (errno == EOPNOTSUPP || errno == ENODEV) return write_zeros(offset, length);
    return fail_errno(errno, doing("punch a hole into", path_));
  }
  return {};
}

Status RawFile::write_zeros(std::uint64_t offset, std::uint64_t length) {
  static constexpr std::array<std::uint8_t, 65536> kZeros{};
  while (length > 0) {
    const std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(length, kZeros.size()));
    SEALIFT_TRY_STATUS(file::write_exact(fd_.get(), ByteView(kZeros.data(), step), offset, path_));
    offset += step, length -= step;
  }
  return {};
}

Status RawFile::flush() {
  if (::fdatasync(fd_.get()) != 0) return fail_errno(errno, doing("flush", path_));
  return {};
}

}  // namespace sealift::image
