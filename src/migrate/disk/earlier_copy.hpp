#pragma once

// A copy of a disk that the destination has from before this move: the VM was here, left, and its disk lies
// in quarantine. Leaves of it that the source still has are named instead of sent, and copied over from here.
//
// The copy is only read. Nothing of it is believed: what is offered to the source are digests of what was
// read (take_stock()), a leaf is hashed again when it is copied over, and the root at the end is of what was
// written. So a copy that was altered, or that is read wrongly, costs a transfer and no more.

#include <atomic>
#include <memory>
#include <optional>

#include "base/stop.hpp"
#include "image/block.hpp"
#include "image/leaf_table.hpp"

namespace sealift::migrate {

class EarlierCopy {
 public:
  // format: "raw" or "qcow2", the copy's own. table: a file for its digests, without a name once it is open.
  static Result<std::unique_ptr<EarlierCopy>> open(const file::Path& path, const std::string& format,
                                                   std::uint64_t disk_bytes, const file::Path& table);

  // Reads and hashes the leaves that hold data and don't count in `mine`. What is not read when the deadline
  // passes, and everything of a copy that can't be read, is not offered (a log line says why): only a stop is
  // a failure.
  Status take_stock(const image::LeafTable& mine, unsigned threads, Deadline deadline, const Stop& stop);
  // Of a leaf that is offered. From any thread, after take_stock().
  std::optional<crypto::Digest> digest(std::uint64_t leaf) const;
  // The leaf's bytes, all of `out`. kConflict: they are no longer what was offered.
  Status read(std::uint64_t leaf, MutableByteView out) const;

 private:
  EarlierCopy(file::Path path, std::unique_ptr<image::BlockSource> content,
              std::unique_ptr<image::LeafTable> table)
      : path_(std::move(path)), content_(std::move(content)), table_(std::move(table)) {}
  Status hash_run(const image::LeafTable& mine, std::uint64_t first, std::uint64_t count,
                  MutableByteView scratch);

  file::Path path_;
  std::unique_ptr<image::BlockSource> content_;
  std::unique_ptr<image::LeafTable> table_;
  std::atomic<std::uint64_t> offered_bytes_{0};
  bool usable_ = true;
};

}  // namespace sealift::migrate
