#pragma once

// The transparency log's tree in memory: leaf hashes in order and the root at every size (internal to the
// module).

#include <span>
#include <vector>

#include "crypto/merkle.hpp"

namespace sealift::ledger {

class LogTree {
 public:
  void append(const crypto::Digest& leaf_hash);
  crypto::Digest root_with(const crypto::Digest& leaf_hash) const;  // as if it were appended
  void truncate(std::size_t size);
  std::size_t size() const { return leaves_.size(); }
  crypto::Digest root(std::size_t size) const;  // size <= size()
  Result<crypto::MerkleProof> inclusion(std::uint64_t index, std::uint64_t size) const;

 private:
  using Frontier = std::vector<crypto::Digest>;
  static crypto::Digest add(Frontier& frontier, std::size_t size, const crypto::Digest& leaf_hash);
  std::vector<crypto::Digest> leaves_;
  std::vector<crypto::Digest> roots_;  // [n] at size n + 1
  Frontier frontier_;                  // roots of the whole subtrees, largest first: one per bit of size()
};

}  // namespace sealift::ledger
