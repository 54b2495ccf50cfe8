#include "ledger/block.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace sealift::ledger {

namespace {

constexpr std::array<std::uint8_t, 8> kMagic = {'S', 'L', 'B', 'L', 'O', 'C', 'K', 0};
constexpr std::size_t kReservedBytes = 32;

std::vector<crypto::Digest> record_leaves(std::span<const Bytes> records) {
  std::vector<crypto::Digest> leaves;
  leaves.reserve(records.size());
  for (const Bytes& record : records) leaves.push_back(crypto::merkle_leaf(record));
  return leaves;
}

Result<crypto::Digest> read_digest(Decoder& in) {
  const ByteView bytes = SEALIFT_TRY(in.raw(32));
  return crypto::Digest::from_bytes(bytes);
}

Result<BlockHeader> parse_header_inner(ByteView bytes) {
  if (bytes.size() != kBlockHeaderBytes)
    return fail(Code::kInvalid, "{} bytes instead of {}", bytes.size(), kBlockHeaderBytes);
  Decoder in(bytes);
  const ByteView magic = SEALIFT_TRY(in.raw(kMagic.size()));
  if (!std::ranges::equal(magic, kMagic)) return fail(Code::kInvalid, "wrong magic");
  const std::uint32_t version = SEALIFT_TRY(in.u32());
  if (version != kBlockVersion) {
    return fail(Code::kUnsupported, "format version {}, this sealift knows version {}: upgrade it", version,
                kBlockVersion);
  }
  BlockHeader header;
  header.rules_version = SEALIFT_TRY(in.u32());
  header.height = SEALIFT_TRY(in.u64());
  header.term = SEALIFT_TRY(in.u64());
  header.time_ms = SEALIFT_TRY(in.u64());
  header.previous = SEALIFT_TRY(read_digest(in));
  header.members = SEALIFT_TRY(read_digest(in));
  header.state_root = SEALIFT_TRY(read_digest(in));
  header.records_root = SEALIFT_TRY(read_digest(in));
  const ByteView reserved = SEALIFT_TRY(in.raw(kReservedBytes));
  if (!std::ranges::all_of(reserved, [](std::uint8_t b) { return b == 0; }))
    return fail(Code::kInvalid, "reserved bytes are not zero");
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (header.height == 0 || header.height > kMax || header.term == 0 || header.term > kMax ||
      header.time_ms > kMax)
    return fail(Code::kInvalid, "height, term or time out of range");
  return header;
}

}  // namespace

Bytes BlockHeader::encode() const {
  Encoder out;
  out.raw(kMagic).u32(kBlockVersion).u32(rules_version).u64(height).u64(term).u64(time_ms);
  out.raw(previous.view()).raw(members.view()).raw(state_root.view()).raw(records_root.view());
  out.raw(std::array<std::uint8_t, kReservedBytes>{});
  return out.take();
}

crypto::Digest BlockHeader::hash() const {
  return crypto::sha256(encode());
}

crypto::Digest BlockHeader::leaf_hash() const {
  return crypto::merkle_leaf(encode());
}

Result<BlockHeader> parse_block_header(ByteView bytes) {
  auto header = parse_header_inner(bytes);
  if (!header) return because(header.error(), "not a block header");
  return header;
}

Bytes encode_block(const Block& block) {
  Encoder out;
  out.blob(block.header.encode()).u32(static_cast<std::uint32_t>(block.records.size()));
  for (const Bytes& record : block.records) out.blob(record);
  return out.take();
}

Result<Block> parse_block(ByteView bytes) {
  Decoder in(bytes);
  Block block;
  const ByteView header = SEALIFT_TRY(in.blob(kBlockHeaderBytes));
  block.header = SEALIFT_TRY(parse_block_header(header));
  const std::uint32_t count = SEALIFT_TRY(in.u32());
  if (count == 0 || count > kBlockRecordsMax)
    return fail(Code::kInvalid, "block {}: {} records instead of 1 to {}", block.header.height, count,
                kBlockRecordsMax);
  std::size_t total = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const ByteView record = SEALIFT_TRY(in.blob(kRecordBytesMax));
    total += record.size();
    if (total > kBlockBytesMax)
      return fail(Code::kInvalid, "block {}: its records are over {} bytes", block.header.height,
                  kBlockBytesMax);
    block.records.emplace_back(record.begin(), record.end());
  }
  SEALIFT_TRY_STATUS(in.finish());
  if (records_root(block.records) != block.header.records_root)
    return fail(Code::kCorrupt, "block {}: its records are not those that its header names",
                block.header.height);
  return block;
}

crypto::Digest records_root(std::span<const Bytes> records) {
  return crypto::merkle_root(record_leaves(records));
}

Result<crypto::MerkleProof> prove_record(const Block& block, std::size_t index) {
  return crypto::inclusion_proof(record_leaves(block.records), index);
}

}  // namespace sealift::ledger
