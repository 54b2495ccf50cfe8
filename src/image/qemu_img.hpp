#pragma once

// Facts about an image file that nobody vouches for, and the making of new ones. inspect() never probes: the
// caller names the format. The qcow2 header is read by our own bounded decoder (QEMU's docs/interop/qcow2),
// so that no backing file or external data file that the image names is ever opened.

#include <cstdint>
#include <optional>
#include <string>

#include "base/file.hpp"
#include "base/stop.hpp"
#include "image/block.hpp"

namespace sealift::image {

constexpr std::size_t kQcow2HeaderBytesMax = 65536;  // header, extensions and the backing file's name

struct ImageInfo {
  std::string format;                 // "raw" or "qcow2"
  std::uint64_t virtual_bytes = 0;    // what the guest sees
  std::uint64_t allocated_bytes = 0;  // st_blocks × 512
  std::string backing;                // name of the backing file as the image says; "" = none
  std::uint32_t internal_snapshots = 0;
  // What a move can't carry as it is; pre-flight refuses these (qemu-nbd serves none of them, qemu_nbd.hpp),
  // backing files and internal snapshots likewise. A dirty mark is repaired by whoever opens it for writing.
  bool external_data = false;  // qcow2: the guest's data is in another file
  bool encrypted = false;
  bool marked_dirty = false;  // qcow2: not closed in good order (incompatible bit 0)
};

// kInvalid: not of that format or malformed. kUnsupported: another format name, or features unknown to us.
Result<ImageInfo> inspect(const file::Path& path, const std::string& format);

// The decoder alone: `head` is the file's first bytes (at most kQcow2HeaderBytesMax). allocated_bytes stays
// 0.
Result<ImageInfo> decode_qcow2_header(ByteView head);

// A new image, empty (all zeros) and durable; kConflict when the name is taken. "raw" or "qcow2".
Status create(const file::Path& path, const std::string& format, std::uint64_t virtual_bytes,
              Deadline deadline, const Stop& stop);

}  // namespace sealift::image
