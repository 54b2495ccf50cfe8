#pragma once

// Merkle tree of RFC 6962 section 2.1 over SHA-256, the one tree of sealift: disks, state, logs.
//   leaf  = SHA-256(0x00 || data)        node = SHA-256(0x01 || left || right)
//   root of nothing = SHA-256("")        a tree of n splits at the largest power of two below n
// Leaf *hashes* go in everywhere below (merkle_leaf makes one). Proof formats: RFC 6962 2.1.1 and 2.1.2,
// hashes from the leaf upwards. Verifiers are those of RFC 9162 2.1.3.2 and 2.1.4.2: they take sizes from the
// caller, never from the proof, and refuse a proof that is longer or shorter than the sizes demand.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"

namespace sealift::crypto {

using MerkleProof = std::vector<Digest>;

Digest merkle_leaf(ByteView data);
Digest merkle_node(const Digest& left, const Digest& right);
Digest merkle_root(std::span<const Digest> leaf_hashes);

// kInvalid when index is not below the number of leaves.
Result<MerkleProof> inclusion_proof(std::span<const Digest> leaf_hashes, std::uint64_t index);
// kCorrupt when the proof does not show leaf_hash at index in the tree of that size and root.
Status verify_inclusion(const Digest& leaf_hash, std::uint64_t index, std::uint64_t size,
                        std::span<const Digest> proof, const Digest& root);

// That the first old_size leaves are a prefix of the tree. kInvalid when old_size is more than the leaves.
// Empty for old_size 0 and for equal sizes.
Result<MerkleProof> consistency_proof(std::span<const Digest> leaf_hashes, std::uint64_t old_size);
// kCorrupt when the two trees are not shown to be one history.
Status verify_consistency(std::uint64_t old_size, const Digest& old_root, std::uint64_t new_size,
                          const Digest& new_root, std::span<const Digest> proof);

// A tree of fixed size that keeps its interior nodes: root() hashes changed paths only (the first call: all).
// Leaves that were never set count as 32 zero bytes. 64 bytes a leaf in all; for large disks the caller may
// lend storage (a mapped file, scratch: its content is overwritten). One thread at a time.
class MerkleTree {
 public:
  explicit MerkleTree(std::size_t leaves);
  MerkleTree(std::size_t leaves, std::span<Digest> storage);  // storage_nodes(leaves) of them, outlives this
  static std::size_t storage_nodes(std::size_t leaves);

  MerkleTree(MerkleTree&&) = default;
  MerkleTree& operator=(MerkleTree&&) = default;
  MerkleTree(const MerkleTree&) = delete;  // the levels point into the storage
  MerkleTree& operator=(const MerkleTree&) = delete;

  void set(std::size_t index, const Digest& leaf_hash);  // index < leaves
  const Digest& leaf(std::size_t index) const;
  std::size_t leaves() const { return leaves_; }
  Digest root();

 private:
  void divide(std::span<Digest> storage);

  std::size_t leaves_;
  std::vector<Digest> own_;                // empty when storage is lent
  std::vector<std::span<Digest>> levels_;  // [0] leaf hashes, each next one half as many, the last one node
  std::vector<std::uint64_t> dirty_;       // a bit a leaf: its path must be hashed again
};

}  // namespace sealift::crypto
