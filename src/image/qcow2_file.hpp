#pragma once

// Reads a qcow2 image by itself, without QEMU: for a copy in quarantine, which is the daemon's alone to read
// and must stay as it is, so that no unprivileged qemu-nbd can open it. Nothing here is believed: whoever
// reads through this compares digests. What it can't read (backing or data files, encryption, extended L2
// entries, compressed clusters) is kUnsupported, and tables that point astray read as whatever lies there.
//
// Layout: QEMU's docs/interop/qcow2. The header names the L1 table; each of its entries names an L2 table of
// one cluster; each entry of that names the cluster with the guest's bytes. Entries are big-endian 64 bit
// numbers:
//   bits 9 to 55  offset in the file, 0: not allocated   bit 62  compressed   bit 0 (L2, version 3)  reads as
//   zeros
// The L1 table is kept in memory (32 MiB at most), L2 entries are read as they are needed.

#include <memory>
#include <vector>

#include "base/file.hpp"
#include "image/block.hpp"

namespace sealift::image {

class Qcow2File final : public BlockSource {
 public:
  // kInvalid: no qcow2 file; kUnsupported: as above.
  static Result<std::unique_ptr<Qcow2File>> open(const file::Path& path);
  static Result<std::unique_ptr<Qcow2File>> open(UniqueFd fd, const file::Path& path);  // path: for messages

  std::uint64_t size_bytes() const override { return size_bytes_; }
  Result<std::vector<Extent>> extents(std::uint64_t offset, std::uint64_t length) override;
  Status read(std::uint64_t offset, MutableByteView out) override;

 private:
  Qcow2File(UniqueFd fd, file::Path path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Status read_layout();
  // The L2 entries of these clusters; 0 where there is no table.
  Result<std::vector<std::uint64_t>> entries(std::uint64_t first, std::uint64_t count) const;
  // What lies behind the file's end reads as zeros, as QEMU does it.
  Status read_at(std::uint64_t offset, MutableByteView out) const;

  UniqueFd fd_;
  file::Path path_;
  std::uint64_t size_bytes_ = 0;
  std::uint32_t version_ = 0;
  std::uint32_t cluster_bits_ = 0;
  std::vector<std::uint64_t> l1_;  // offsets of L2 tables
};

}  // namespace sealift::image
