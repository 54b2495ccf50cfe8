#include "image/nbd.hpp"

#include <libnbd.h>

#include <algorithm>
#include <mutex>

#include "base/check.hpp"
#include "base/guarded.hpp"
#include "image/nbd_connection.hpp"

namespace sealift::image {

namespace detail {

// The connections of one disk; borrow() waits for a free one.
class NbdPool {
 public:
  NbdPool(NbdOptions options, std::uint64_t size_bytes,
          std::vector<std::unique_ptr<NbdConnection>> connections)
      : options_(std::move(options)),
        size_bytes_(size_bytes),
        extents_known_(connections.front()->has_context(LIBNBD_CONTEXT_BASE_ALLOCATION)),
        all_(std::move(connections)) {
    auto free = free_.lock();
    free->reserve(all_.size());
    for (const auto& connection : all_) free->push_back(connection.get());
  }

  class Borrowed {
   public:
    explicit Borrowed(NbdPool& pool) : pool_(pool) {
      auto free = pool.free_.lock();
      free.wait([](const auto& list) { return !list.empty(); });
      connection_ = free->back();
      free->pop_back();
    }
    ~Borrowed() {
      pool_.free_.lock()->push_back(connection_);
      pool_.free_.notify_all();
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    NbdConnection* operator->() const { return connection_; }

   private:
    NbdPool& pool_;
    NbdConnection* connection_;
  };

  const NbdOptions& options() const { return options_; }
  std::uint64_t size_bytes() const { return size_bytes_; }
  bool extents_known() const { return extents_known_; }

  // A server without NBD_FLAG_CAN_MULTI_CONN may flush only what came over the same connection.
  Status flush_all() {
    const std::lock_guard one_at_a_time(
        flushing_);  // two that each hold some connections would wait for ever
    std::vector<std::unique_ptr<Borrowed>> every;
    for (std::size_t i = 0; i < all_.size(); ++i) every.push_back(std::make_unique<Borrowed>(*this));
    for (const auto& connection : every) SEALIFT_TRY_STATUS((*connection)->flush());
    return {};
  }

 private:
  const NbdOptions options_;
  const std::uint64_t size_bytes_;
  const bool extents_known_;
  std::vector<std::unique_ptr<NbdConnection>> all_;
  Guarded<std::vector<NbdConnection*>> free_;
  std::mutex flushing_;
};

}  // namespace detail

namespace {

std::string bitmap_context(const std::string& bitmap) {
  return "qemu:dirty-bitmap:" + bitmap;
}

}  // namespace

NbdDisk::NbdDisk(std::unique_ptr<detail::NbdPool> pool) : pool_(std::move(pool)) {}
NbdDisk::~NbdDisk() = default;

Result<std::unique_ptr<NbdDisk>> NbdDisk::open(const NbdOptions& options, Access access, Deadline deadline,
                                               const Stop& stop) {
  SEALIFT_CHECK(options.connections >= 1 && options.connections <= 16);
  std::vector<std::unique_ptr<detail::NbdConnection>> connections;
  std::uint64_t size_bytes = 0;
  for (unsigned i = 0; i < options.connections; ++i) {
    auto connection = SEALIFT_TRY(detail::NbdConnection::open(options, deadline, stop));
    const std::uint64_t size = SEALIFT_TRY(connection->size_bytes());
    if (i > 0 && size != size_bytes) {
      return fail(Code::kCorrupt, "the NBD server {} names two sizes, {} and {}", options.socket.string(),
                  size_bytes, size);
    }
    size_bytes = size;
    if (access == Access::kReadWrite && connection->read_only()) {
      return fail(Code::kRefused, "the NBD server {} serves this disk read-only", options.socket.string());
    }
    if (!options.dirty_bitmap.empty() && !connection->has_context(bitmap_context(options.dirty_bitmap))) {
      return fail(Code::kUnsupported, "the NBD server {} does not export the dirty bitmap {}",
                  options.socket.string(), options.dirty_bitmap);
    }
    connections.push_back(std::move(connection));
  }
  auto pool = std::make_unique<detail::NbdPool>(options, size_bytes, std::move(connections));
  return std::unique_ptr<NbdDisk>(new NbdDisk(std::move(pool)));
}

std::uint64_t NbdDisk::size_bytes() const {
  return pool_->size_bytes();
}

Result<std::vector<Extent>> NbdDisk::extents(std::uint64_t offset, std::uint64_t length) {
  SEALIFT_TRY_STATUS(check_range(offset, length, size_bytes()));
  std::vector<Extent> found;
  if (!pool_->extents_known()) {
    append_extent(found, {.offset = offset, .length = length, .kind = ExtentKind::kData});
    return found;
  }
  detail::NbdPool::Borrowed connection(*pool_);
  SEALIFT_TRY_STATUS(connection->block_status(
      LIBNBD_CONTEXT_BASE_ALLOCATION, offset, length,
      [&](std::uint64_t at, std::uint64_t bytes, std::uint32_t flags) {
        // A hole without the zero flag may read as anything: data.
        const bool zero = (flags & LIBNBD_STATE_ZERO) != 0;
        append_extent(found,
                      {.offset = at, .length = bytes, .kind = zero ? ExtentKind::kZero : ExtentKind::kData});
      }));
  return found;
}

Status NbdDisk::read(std::uint64_t offset, MutableByteView out) {
  SEALIFT_TRY_STATUS(check_range(offset, out.size(), size_bytes()));
  return detail::NbdPool::Borrowed(*pool_)->read(offset, out);
}

Status NbdDisk::write(std::uint64_t offset, ByteView bytes) {
  SEALIFT_TRY_STATUS(check_range(offset, bytes.size(), size_bytes()));
  return detail::NbdPool::Borrowed(*pool_)->write(offset, bytes);
}

Status NbdDisk::zero(std::uint64_t offset, std::uint64_t length) {
  SEALIFT_TRY_STATUS(check_range(offset, length, size_bytes()));
  return detail::NbdPool::Borrowed(*pool_)->zero(offset, length);
}

Status NbdDisk::flush() {
  return pool_->flush_all();
}

Result<std::vector<std::uint64_t>> NbdDisk::dirty_leaves(const std::string& bitmap) {
  if (bitmap.empty() || bitmap != pool_->options().dirty_bitmap) {
    return fail(Code::kInvalid, "dirty bitmap '{}' was not asked for when the disk was opened", bitmap);
  }
  std::vector<std::uint64_t> leaves;
  detail::NbdPool::Borrowed connection(*pool_);
  SEALIFT_TRY_STATUS(connection->block_status(
      bitmap_context(bitmap), 0, size_bytes(),
      [&](std::uint64_t at, std::uint64_t bytes, std::uint32_t flags) {
        if ((flags & 1U) == 0) return;
        for (std::uint64_t leaf = at / kLeafBytes; leaf * kLeafBytes < at + bytes; ++leaf) {
          if (leaves.empty() || leaves.back() < leaf) leaves.push_back(leaf);
        }
      }));
  return leaves;
}

}  // namespace sealift::image
