#include "image/leaf_table_header.hpp"

#include "base/check.hpp"
#include "crypto/digest.hpp"
#include "image/block.hpp"

namespace sealift::image {

namespace {

constexpr std::size_t kSummedBytes = 64;
constexpr std::string_view kMagic = "SLFTLEAF";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kBlake3 = 1;

}  // namespace

Bytes encode_leaf_table_header(std::uint64_t disk_bytes) {
  Encoder encoder;
  encoder.raw(as_bytes(kMagic)).u32(kVersion).u32(kLeafBytes).u64(disk_bytes).u64(leaf_count(disk_bytes));
  encoder.u32(kBlake3).raw(Bytes(28));
  SEALIFT_CHECK(encoder.bytes().size() == kSummedBytes);
  encoder.raw(crypto::sha256(encoder.bytes()).view());
  Bytes header = encoder.take();
  header.resize(kLeafTableHeaderBytes);
  return header;
}

Status check_leaf_table_header(ByteView head, std::uint64_t disk_bytes) {
  Decoder decoder(head);
  const ByteView magic = SEALIFT_TRY(decoder.raw(kMagic.size()));
  if (as_text(magic) != kMagic) return fail(Code::kCorrupt, "the file is no leaf table");
  const std::uint32_t version = SEALIFT_TRY(decoder.u32());
  if (version != kVersion) {
    return fail(Code::kUnsupported, "version {}, this sealift knows {}", version, kVersion);
  }
  const std::uint32_t leaf_bytes = SEALIFT_TRY(decoder.u32());
  const std::uint64_t made_for = SEALIFT_TRY(decoder.u64());
  const std::uint64_t leaves = SEALIFT_TRY(decoder.u64());
  const std::uint32_t algorithm = SEALIFT_TRY(decoder.u32());
  SEALIFT_TRY(decoder.raw(28));
  const ByteView sum = SEALIFT_TRY(decoder.raw(32));
  const crypto::Digest expected = crypto::sha256(head.first(kSummedBytes));
  if (!equal_constant_time(sum, expected.view())) return fail(Code::kCorrupt, "the header is damaged");
  if (leaf_bytes != kLeafBytes || algorithm != kBlake3) {
    return fail(Code::kUnsupported, "leaves of {} bytes, digest algorithm {}", leaf_bytes, algorithm);
  }
  if (made_for != disk_bytes || leaves != leaf_count(disk_bytes)) {
    return fail(Code::kConflict, "made for a disk of {} bytes, this one has {}", made_for, disk_bytes);
  }
  return {};
}

}  // namespace sealift::image
