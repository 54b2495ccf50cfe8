#include "migrate/disk/earlier_copy.hpp"

#include <unistd.h>

#include "base/log.hpp"
#include "image/hash_disk.hpp"
#include "image/qcow2_file.hpp"
#include "image/raw_file.hpp"

namespace sealift::migrate {

namespace {

Result<std::unique_ptr<image::BlockSource>> open_content(const file::Path& path, const std::string& format) {
  if (format == "raw") return SEALIFT_TRY(image::RawFile::open(path, image::Access::kReadOnly));
  if (format == "qcow2") return SEALIFT_TRY(image::Qcow2File::open(path));
  return fail(Code::kUnsupported, "image format '{}'", format);
}

}  // namespace

Result<std::unique_ptr<EarlierCopy>> EarlierCopy::open(const file::Path& path, const std::string& format,
                                                       std::uint64_t disk_bytes, const file::Path& table) {
  auto content = SEALIFT_TRY(open_content(path, format));
  if (content->size_bytes() != disk_bytes)
    return fail(Code::kConflict, "{} is a disk of {} bytes, the VM's has {} now", path.string(),
                content->size_bytes(), disk_bytes);
  // Scratch: an old one means nothing, and nobody needs its name once it is open.
  ::unlink(table.c_str());
  auto digests = SEALIFT_TRY(image::LeafTable::open(table, disk_bytes));
  ::unlink(table.c_str());
  return std::unique_ptr<EarlierCopy>(new EarlierCopy(path, std::move(content), std::move(digests)));
}

Status EarlierCopy::hash_run(const image::LeafTable& mine, std::uint64_t first, std::uint64_t count,
                             MutableByteView scratch) {
  const auto zeros = SEALIFT_TRY(image::zero_leaves(*content_, first, count));
  for (std::uint64_t leaf = first; leaf < first + count; ++leaf) {
    if (zeros[leaf - first] || mine.digest(leaf)) continue;
    const MutableByteView bytes = scratch.first(image::leaf_length(mine.disk_bytes(), leaf));
    SEALIFT_TRY_STATUS(content_->read(leaf * image::kLeafBytes, bytes));
    if (image::all_zero(bytes)) continue;  // the source announces zeros anyway
    table_->set(leaf, crypto::blake3(bytes));
    offered_bytes_ += bytes.size();
  }
  return {};
}

Status EarlierCopy::take_stock(const image::LeafTable& mine, unsigned threads, Deadline deadline,
                               const Stop& stop) {
  std::atomic<bool> late{false};
  const auto work = [&](std::uint64_t first, std::uint64_t count, MutableByteView scratch) -> Status {
    if (deadline.passed()) return late = true, Status{};
    return hash_run(mine, first, count, scratch);
  };
  const Status done = image::for_each_run(mine.leaves(), threads, stop, work);
  if (stop.stopped()) return fail(Code::kCancelled, "stopped while the earlier copy was read");
  usable_ = done.has_value();
  if (usable_)
    log_info("move.earlier_copy",
             {{"path", path_.string()}, {"offered_bytes", offered_bytes_.load()}, {"read_whole", !late}});
  else
    log_warning("move.earlier_copy", {{"path", path_.string()}, {"not_used", done.error().message}});
  return {};
}

std::optional<crypto::Digest> EarlierCopy::digest(std::uint64_t leaf) const {
  return usable_ ? table_->digest(leaf) : std::nullopt;
}

Status EarlierCopy::read(std::uint64_t leaf, MutableByteView out) const {
  const Status read = content_->read(leaf * image::kLeafBytes, out);
  const bool same = read && crypto::blake3(out) == digest(leaf);
  if (same) return {};
  return fail(
      Code::kConflict,
      "leaf {} of the earlier copy in {} is not what it was a moment ago ({}): nothing is lost; check "
      "that storage, or purge the copy (sealift quarantine list, purge), and move again",
      leaf, path_.string(), read ? "its bytes changed" : read.error().message);
}

}  // namespace sealift::migrate
