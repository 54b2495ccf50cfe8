#pragma once

// Blocks. A header's canonical encoding is a leaf of the log, at index = height - 1 (the first block has
// height 1).
//   offset  bytes  what (integers big-endian)
//        0      8  magic "SLBLOCK" 0x00
//        8      4  version of this format: 1
//       12      4  rules version in force
//       16      8  height
//       24      8  term
//       32      8  time, POSIX milliseconds
//       40     32  hash of the previous header (SHA-256 of its 200 bytes); block 1: the domain's id
//       72     32  digest of the members who count for this block (MemberSet::digest, before its records)
//      104     32  state root after its records
//      136     32  root of its records: RFC 6962 over the exact envelopes in order
//      168     32  zero; reserved
// A block holds 1 to kBlockRecordsMax records that the rules accepted, in order. One that changes who counts
// is the last of its block.

#include <vector>

#include "ledger/state.hpp"

namespace sealift::ledger {

constexpr std::uint32_t kBlockVersion = 1;
constexpr std::size_t kBlockHeaderBytes = 200;
constexpr std::size_t kBlockRecordsMax = 256;
constexpr std::size_t kBlockBytesMax = 2 * 1024 * 1024;  // its records together

struct BlockHeader {
  std::uint32_t rules_version = 1;
  std::uint64_t height = 0;
  std::uint64_t term = 1;
  std::uint64_t time_ms = 0;
  crypto::Digest previous;
  crypto::Digest members;
  crypto::Digest state_root;
  crypto::Digest records_root;
  bool operator==(const BlockHeader&) const = default;

  Bytes encode() const;
  crypto::Digest hash() const;       // names the block
  crypto::Digest leaf_hash() const;  // in the log
  WallTime time() const { return WallTime{std::chrono::milliseconds{static_cast<std::int64_t>(time_ms)}}; }
};
// kInvalid; kUnsupported: another version, both named.
Result<BlockHeader> parse_block_header(ByteView bytes);

// Where a record stands.
struct RecordPlace {
  std::uint64_t height = 0;
  std::size_t index = 0;
};

struct Block {
  BlockHeader header;
  std::vector<Bytes> records;  // exact envelopes
};
// blob header, u32 count, per record a blob.
Bytes encode_block(const Block& block);
Result<Block> parse_block(ByteView bytes);  // also checks the root of the records
crypto::Digest records_root(std::span<const Bytes> records);
Result<crypto::MerkleProof> prove_record(const Block& block, std::size_t index);

}  // namespace sealift::ledger
