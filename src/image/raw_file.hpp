#pragma once

// A raw image: a regular file or a block device, read and written directly (pread, pwrite; holes are found by
// SEEK_DATA/SEEK_HOLE and made by punching). Anything else under that path (FIFO, socket, symbolic link as
// last component) is refused. No lock is taken: who owns the VM's directory owns the file.

#include <memory>

#include "base/file.hpp"
#include "image/block.hpp"

namespace sealift::image {

enum class Access { kReadOnly, kReadWrite };

class RawFile final : public BlockSource, public BlockSink {
 public:
  // kInvalid: not a file or block device, or a size that no disk has.
  static Result<std::unique_ptr<RawFile>> open(const file::Path& path, Access access);
  // A new, wholly sparse file; kConflict when the name is taken. Its name is durable when this returns.
  static Result<std::unique_ptr<RawFile>> create(const file::Path& path, std::uint64_t disk_bytes);

  std::uint64_t size_bytes() const override { return size_bytes_; }
  Result<std::vector<Extent>> extents(std::uint64_t offset, std::uint64_t length) override;
  Status read(std::uint64_t offset, MutableByteView out) override;
  Status write(std::uint64_t offset, ByteView bytes) override;
  Status zero(std::uint64_t offset, std::uint64_t length) override;
  Status flush() override;

 private:
  RawFile(UniqueFd fd, file::Path path, std::uint64_t size_bytes);
  Status write_zeros(std::uint64_t offset, std::uint64_t length);

  UniqueFd fd_;
  file::Path path_;
  std::uint64_t size_bytes_;
};

}  // namespace sealift::image
