#include "image/qemu_img.hpp"

#include <algorithm>

// The qcow2 header as QEMU's docs/interop/qcow2.rst has it; big-endian:
//   0 magic "QFI\xfb"  4 version  8 backing file's offset  16 its name's length  20 cluster bits  24 size
//   32 encryption  36 l1 entries  40 l1 offset  48 refcount table's offset  56 its clusters
//   60 snapshots  64 snapshot table's offset   version 3: 72 incompatible  80 compatible  88 autoclear
//   96 refcount order  100 header length  (104 compression type)

namespace sealift::image {

namespace {

constexpr std::uint32_t kMagic = 0x514649fb;
constexpr std::uint64_t kDirty = 1U << 0U;
constexpr std::uint64_t kExternalData = 1U << 2U;
constexpr std::uint64_t kKnownIncompatible = 0x1f;  // dirty, corrupt, external data, compression, extended L2
constexpr std::uint64_t kCorrupt = 1U << 1U;
constexpr std::uint32_t kBackingNameBytesMax = 1023;

std::string printable(ByteView bytes) {
  std::string text(as_text(bytes));
  std::ranges::replace_if(text, [](char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text;
}

}  // namespace

Result<ImageInfo> decode_qcow2_header(ByteView head) {
  Decoder decoder(head);
  const auto malformed = [](const Error& error) { return because(error, "qcow2 header"); };
  const auto magic = decoder.u32();
  if (!magic || *magic != kMagic) return fail(Code::kInvalid, "no qcow2 image: the magic number is missing");
  ImageInfo info;
  info.format = "qcow2";
  const auto fixed = decoder.raw(68);
  if (!fixed) return malformed(fixed.error());
  const std::uint8_t* at = head.data();
  const std::uint32_t version = load_be32(at + 4);
  const std::uint64_t backing_offset = load_be64(at + 8);
  const std::uint32_t backing_bytes = load_be32(at + 16);
  const std::uint32_t cluster_bits = load_be32(at + 20);
  info.virtual_bytes = load_be64(at + 24);
  info.encrypted = load_be32(at + 32) != 0;
  info.internal_snapshots = load_be32(at + 60);
  if (version != 2 && version != 3)
    return fail(Code::kUnsupported, "qcow2 version {}: 2 and 3 are known", version);
  if (cluster_bits < 9 || cluster_bits > 21)
    return fail(Code::kInvalid, "qcow2 header: cluster bits {}", cluster_bits);
  const Status size = check_disk_size(info.virtual_bytes);
  if (!size) return malformed(size.error());
  if (version == 3) {
    const auto incompatible = decoder.u64();
    if (!incompatible) return malformed(incompatible.error());
    if ((*incompatible & ~kKnownIncompatible) != 0) {
      return fail(Code::kUnsupported, "qcow2 header: unknown incompatible features {:#x}", *incompatible);
    }
    if ((*incompatible & kCorrupt) != 0) {
      return fail(Code::kInvalid, "the qcow2 image is marked corrupt: repair it with qemu-img check -r");
    }
    info.marked_dirty = (*incompatible & kDirty) != 0;
    info.external_data = (*incompatible & kExternalData) != 0;
  }
  if (backing_offset != 0) {
    if (backing_bytes == 0 || backing_bytes > kBackingNameBytesMax || backing_offset > head.size() ||
        backing_bytes > head.size() - backing_offset) {
      return fail(Code::kInvalid, "qcow2 header: the backing file's name lies outside of it");
    }
    info.backing = printable(head.subspan(backing_offset, backing_bytes));
  }
  return info;
}

}  // namespace sealift::image
