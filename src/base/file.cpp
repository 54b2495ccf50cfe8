#include "base/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

namespace sealift {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) reset(other.release());
  return *this;
}

int UniqueFd::release() {
  return std::exchange(fd_, -1);
}

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

namespace file {

namespace {

std::string doing(std::string_view verb, const Path& path) {
  return fmt::format("{} {}", verb, path.string());
}

Path parent_of(const Path& path) {
  return path.has_parent_path() ? path.parent_path() : Path(".");
}

Status write_all(int fd, ByteView bytes, const Path& path) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, doing("write", path));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
  return {};
}

}  // namespace

Result<UniqueFd> open(const Path& path, int flags, unsigned mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return fail_errno(errno, doing("open", path));
  return UniqueFd(fd);
}

Result<Bytes> read(const Path& path, std::size_t bytes_max) {
  const UniqueFd fd = SEALIFT_TRY(open(path, O_RDONLY));
  Bytes out;
  Bytes buffer(64 * 1024);
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, doing("read", path));
    }
    if (got == 0) return out;
    out.insert(out.end(), buffer.begin(), buffer.begin() + got);
    if (out.size() > bytes_max)
      return fail(Code::kInvalid, "{} is larger than {} bytes", path.string(), bytes_max);
  }
}

Result<std::string> read_text(const Path& path, std::size_t bytes_max) {
  const Bytes bytes = SEALIFT_TRY(read(path, bytes_max));
  return std::string(as_text(bytes));
}

Status write_atomic(const Path& path, ByteView content, unsigned mode) {
  std::string pattern = path.string() + ".XXXXXX";
  UniqueFd fd(::mkostemp(pattern.data(), O_CLOEXEC));
  if (!fd) return fail_errno(errno, doing("create", pattern));
  const Path temporary(pattern);
  const auto written = [&]() -> Status {
    if (::fchmod(fd.get(), mode) != 0) return fail_errno(errno, doing("chmod", temporary));
    SEALIFT_TRY_STATUS(write_all(fd.get(), content, temporary));
    SEALIFT_TRY_STATUS(sync(fd.get(), temporary));
    if (::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno(errno, doing("rename to", path));
    return {};
  }();
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  return sync_directory(parent_of(path));
}

Status write_atomic(const Path& path, std::string_view content, unsigned mode) {
  return write_atomic(path, as_bytes(content), mode);
}

Status make_private_directory(const Path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return {};
  if (path.has_parent_path()) {
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) return fail_errno(error.value(), doing("create", path.parent_path()));
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(errno, doing("create", path));
  return sync_directory(parent_of(path));
}

Status sync(int fd, const Path& path) {
  if (::fsync(fd) != 0) return fail_errno(errno, doing("fsync", path));
  return {};
}

Status sync_directory(const Path& directory) {
  const UniqueFd fd = SEALIFT_TRY(open(directory, O_RDONLY | O_DIRECTORY));
  return sync(fd.get(), directory);
}

Status rename_durable(const Path& from, const Path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return fail_errno(errno, fmt::format("rename {} to {}", from.string(), to.string()));
  }
  SEALIFT_TRY_STATUS(sync_directory(parent_of(to)));
  if (parent_of(from) != parent_of(to)) return sync_directory(parent_of(from));
  return {};
}

Status remove_tree(const Path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return fail_errno(error.value(), doing("remove", path));
  return {};
}

Result<std::uint64_t> free_bytes(const Path& directory) {
  struct statvfs stats{};
  if (::statvfs(directory.c_str(), &stats) != 0) return fail_errno(errno, doing("statvfs", directory));
  return static_cast<std::uint64_t>(stats.f_bavail) * stats.f_frsize;
}

Result<UniqueFd> lock(const Path& path) {
  UniqueFd fd = SEALIFT_TRY(open(path, O_RDWR | O_CREAT));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(Code::kConflict, "{} is locked by another process", path.string());
    return fail_errno(errno, doing("lock", path));
  }
  return fd;
}

Status read_exact(int fd, MutableByteView out, std::uint64_t offset, const Path& path) {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, doing("read", path));
    }
    if (got == 0)
      return fail(Code::kCorrupt, "{} ends at {}, {} bytes short", path.string(), offset, out.size());
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

Status write_exact(int fd, ByteView bytes, std::uint64_t offset, const Path& path) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, doing("write", path));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
  return {};
}

}  // namespace file
}  // namespace sealift
