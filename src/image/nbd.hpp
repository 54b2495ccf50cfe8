#pragma once

// Block access over NBD on a unix socket, through libnbd: qemu-nbd (qemu_nbd.hpp) for images at rest, QEMU's
// own export for a running VM, whose frozen dirty bitmap may be exported with it (reference: QEMU's
// "qemu:dirty-bitmap:NAME" metadata context, flag 1 = dirty; base:allocation flag 2 = reads as zero).
//
// The server is untrusted: sizes, extents and their order are checked, every wait is limited by io_timeout
// and ended by the Stop; a connection that timed out or broke stays so (its requests: kIo). One libnbd handle
// per connection, each used by one thread at a time: a call takes a free connection and waits for one when
// all are busy.

#include <memory>
#include <string>

#include "base/file.hpp"
#include "base/stop.hpp"
#include "image/block.hpp"
#include "image/raw_file.hpp"

namespace sealift::image {

struct NbdOptions {
  file::Path socket;
  std::string export_name;          // "" = the default export
  std::string dirty_bitmap;         // name of an exported bitmap; "" = none
  unsigned connections = 2;         // 1..16; the server must share the export (qemu-nbd --shared)
  Milliseconds io_timeout{60'000};  // one request without an answer for that long: kTimeout
};

namespace detail {
class NbdPool;
}

class NbdDisk final : public BlockSource, public BlockSink {
 public:
  // `stop` ends later requests too. kUnsupported: the server lacks the bitmap that was asked for.
  static Result<std::unique_ptr<NbdDisk>> open(const NbdOptions& options, Access access, Deadline deadline,
                                               const Stop& stop);
  ~NbdDisk() override;  // disconnects in good order

  std::uint64_t size_bytes() const override;
  Result<std::vector<Extent>> extents(std::uint64_t offset, std::uint64_t length) override;
  Status read(std::uint64_t offset, MutableByteView out) override;
  Status write(std::uint64_t offset, ByteView bytes) override;
  Status zero(std::uint64_t offset, std::uint64_t length) override;
  Status flush() override;

  // Leaves with at least one dirty byte, ascending. `bitmap` is the one named at open (kInvalid otherwise).
  Result<std::vector<std::uint64_t>> dirty_leaves(const std::string& bitmap);

 private:
  explicit NbdDisk(std::unique_ptr<detail::NbdPool> pool);
  std::unique_ptr<detail::NbdPool> pool_;
};

}  // namespace sealift::image
