#pragma once

// An image at rest, opened: a raw file directly, every other format through a qemu-nbd of its own.

#include <memory>

#include "image/qemu_nbd.hpp"

namespace sealift::image {

class OpenImage {
 public:
  // options as for QemuNbd; socket, log, connections and drop_to mean nothing to a raw file.
  static Result<OpenImage> open(const QemuNbdOptions& options, Deadline deadline, const Stop& stop);

  BlockSource* source() const;
  BlockSink* sink() const;  // opened for writing only
  // Written to the end: the qemu-nbd is gone, its image flushed and unlocked. Neither end is there any more.
  Status close(Deadline deadline);

 private:
  std::unique_ptr<RawFile> raw_;
  std::unique_ptr<QemuNbd> server_;
  std::unique_ptr<NbdDisk> disk_;  // goes before its server
};

}  // namespace sealift::image
