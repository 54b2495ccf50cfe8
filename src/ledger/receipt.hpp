#pragma once

// Receipts: the proof of one committed move, checked offline from the receipt and the genesis file alone.
// One JSON document:
//   {"sealift_receipt": 1, "domain": hex, "move": hex,
//    "records": {"offer": item, "commit": item},
//    "changes": [item, …],             every membership change from genesis up to the commit, in order
//    "checkpoint": text,               cosigned by a quorum of the members who count for the commit's block
//    "tlog_proof": text}               c2sp.org/tlog-proof@v1 of the commit's block, for standard tools
//   item = {"envelope": base64, "block": base64 of the header, "index": n, "count": n, "path": [hex, …],
//           "log": [hex, …]}           record → block's records root; block → checkpoint
//   A change's item carries "checkpoint" too: a head cosigned by a quorum of the members before it.
// What makes the membership complete: each header names the digest of the members that count for it, and the
// verifier's own walk from genesis must arrive at the very same digest.

#include <string>
#include <vector>

#include "ledger/block.hpp"
#include "ledger/checkpoint.hpp"

namespace sealift::ledger {

constexpr std::size_t kReceiptBytesMax = 16 * 1024 * 1024;
constexpr std::uint32_t kReceiptVersion = 1;

struct ReceiptFacts {
  DomainId domain;
  MoveId move;
  VmId vm;
  HostName from, to;
  Epoch epoch;
  MoveMode mode = MoveMode::kLive;
  Seal seal;
  std::uint64_t height = 0;
  std::uint64_t term = 0;
  WallTime time{};
  std::vector<HostName> cosigned_by;
  std::size_t members = 0;
  std::string text;  // all of it in words, several lines
};

// kCorrupt, kInvalid, kUnauthorized, kUnsupported: the message says exactly what is wrong.
Result<ReceiptFacts> verify_receipt(const Genesis& genesis, ByteView receipt);

// Where make_receipt() finds what it needs; Chain is one.
class ReceiptSource {
 public:
  virtual ~ReceiptSource() = default;
  virtual Result<RecordPlace> place(const RecordId& id) = 0;
  virtual Result<Block> block(std::uint64_t height) = 0;
  // The smallest checkpoint that covers the block and is cosigned by a quorum of the set; kUnavailable: not
  // yet.
  virtual Result<Bytes> quorum_checkpoint(std::uint64_t height, const MemberSet& set) = 0;
  virtual Result<crypto::MerkleProof> log_proof(std::uint64_t height, std::uint64_t size) = 0;
  virtual Result<std::vector<RecordPlace>> membership_changes(std::uint64_t below_height) = 0;
};
Result<Bytes> make_receipt(const Genesis& genesis, const State& state, const MoveId& move,
                           ReceiptSource& source);

}  // namespace sealift::ledger
