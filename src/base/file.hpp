#pragma once

// Files, owned descriptors and durability. "Durable" here always means: data and, for a new name, its
// directory fsynced.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace sealift {

// Owns a file descriptor; -1 is none.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

namespace file {

using Path = std::filesystem::path;

Result<UniqueFd> open(const Path& path, int flags,
                      unsigned mode = 0600);                  // O_CLOEXEC added; errors name the path
Result<Bytes> read(const Path& path, std::size_t bytes_max);  // kInvalid when larger
Result<std::string> read_text(const Path& path, std::size_t bytes_max);
// Whole or not at all: a temporary beside it, fsync, rename, fsync of the directory.
Status write_atomic(const Path& path, ByteView content, unsigned mode = 0600);
Status write_atomic(const Path& path, std::string_view content, unsigned mode = 0600);
Status make_private_directory(const Path& path);  // 0700, parents too; existing one is fine
Status sync(int fd, const Path& path);
Status sync_directory(const Path& directory);
Status rename_durable(const Path& from, const Path& to);  // then fsync of both directories
Status remove_tree(const Path& path);                     // missing is fine
Result<std::uint64_t> free_bytes(const Path& directory);
// An exclusive OFD-independent flock; kConflict when another process holds it. Held as long as the descriptor
// lives.
Result<UniqueFd> lock(const Path& path);
Status read_exact(int fd, MutableByteView out, std::uint64_t offset,
                  const Path& path);  // short file: kCorrupt
Status write_exact(int fd, ByteView bytes, std::uint64_t offset, const Path& path);

}  // namespace file
}  // namespace sealift
