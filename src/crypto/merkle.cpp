#include "crypto/merkle.hpp"

#include <bit>

#include "base/check.hpp"

namespace sealift::crypto {

namespace {

constexpr std::uint8_t kLeafPrefix = 0x00;
constexpr std::uint8_t kNodePrefix = 0x01;

Digest empty_root() {
  return sha256({});
}

// Pairing neighbours and passing a last odd one up unchanged gives RFC 6962's tree: both split at the largest
// power of two.
void pair_up(std::vector<Digest>& level) {
  const std::size_t pairs = level.size() / 2;
  for (std::size_t i = 0; i < pairs; ++i) level[i] = merkle_node(level[2 * i], level[2 * i + 1]);
  if (level.size() % 2 != 0) level[pairs] = level.back();
  level.resize((level.size() + 1) / 2);
}

// SUBPROOF(m, D[n], whole) of RFC 6962 2.1.2. whole: the old tree is this very subtree, the verifier has its
// hash.
void subproof(std::span<const Digest> leaves, std::size_t old_size, bool whole, MerkleProof& out) {
  if (old_size == leaves.size()) {
    if (!whole) out.push_back(merkle_root(leaves));
    return;
  }
  const std::size_t split = std::bit_floor(leaves.size() - 1);
  if (old_size <= split) {
    subproof(leaves.first(split), old_size, whole, out);
    out.push_back(merkle_root(leaves.subspan(split)));
  } else {
    subproof(leaves.subspan(split), old_size - split, false, out);
    out.push_back(merkle_root(leaves.first(split)));
  }
}

std::unexpected<Error> bad_proof(std::string_view why) {
  return fail(Code::kCorrupt, "the Merkle proof does not hold: {}", why);
}

}  // namespace

Digest merkle_leaf(ByteView data) {
  Sha256 hash;
  hash.update({&kLeafPrefix, 1});
  hash.update(data);
  return hash.finish();
}

Digest merkle_node(const Digest& left, const Digest& right) {
  std::array<std::uint8_t, 65> input{};
  input[0] = kNodePrefix;
  std::ranges::copy(left.bytes, input.begin() + 1);
  std::ranges::copy(right.bytes, input.begin() + 33);
  return sha256(input);
}

Digest merkle_root(std::span<const Digest> leaf_hashes) {
  if (leaf_hashes.empty()) return empty_root();
  std::vector<Digest> level(leaf_hashes.begin(), leaf_hashes.end());
  while (level.size() > 1) pair_up(level);
  return level.front();
}

Result<MerkleProof> inclusion_proof(std::span<const Digest> leaf_hashes, std::uint64_t index) {
  if (index >= leaf_hashes.size())
    return fail(Code::kInvalid, "no leaf {} in a tree of {}", index, leaf_hashes.size());
  MerkleProof proof;
  std::vector<Digest> level(leaf_hashes.begin(), leaf_hashes.end());
  for (std::size_t i = index; level.size() > 1; i /= 2) {
    const std::size_t sibling = i ^ 1U;
    if (sibling < level.size()) proof.push_back(level[sibling]);
    pair_up(level);
  }
  return proof;
}

Status verify_inclusion(const Digest& leaf_hash, std::uint64_t index, std::uint64_t size,
                        std::span<const Digest> proof, const Digest& root) {
  if (index >= size) return bad_proof("the index is not inside the tree");
  std::uint64_t node = index;
  std::uint64_t last = size - 1;
  Digest hash = leaf_hash;
  for (const Digest& sibling : proof) {
    if (last == 0) return bad_proof("it is too long");
    if (node % 2 != 0 || node == last) {
      hash = merkle_node(sibling, hash);
      while (node % 2 == 0 && node != 0) node /= 2, last /= 2;
    } else {
      hash = merkle_node(hash, sibling);
    }
    node /= 2, last /= 2;
  }
  if (last != 0) return bad_proof("it is too short");
  if (hash != root) return bad_proof("it leads to another root");
  return {};
}

Result<MerkleProof> consistency_proof(std::span<const Digest> leaf_hashes, std::uint64_t old_size) {
  if (old_size > leaf_hashes.size())
    return fail(Code::kInvalid, "no tree of {} inside one of {}", old_size, leaf_hashes.size());
  MerkleProof proof;
  if (old_size != 0) subproof(leaf_hashes, old_size, true, proof);
  return proof;
}

Status verify_consistency(std::uint64_t old_size, const Digest& old_root, std::uint64_t new_size,
                          const Digest& new_root, std::span<const Digest> proof) {
  if (old_size > new_size) return bad_proof("the older tree is the larger one");
  if (old_size == new_size || old_size == 0) {
    const Digest expected = old_size == 0 ? empty_root() : new_root;
    if (!proof.empty()) return bad_proof("it is too long");
    if (old_root != expected) return bad_proof("the older root differs");
    if (new_size == 0 && new_root != expected) return bad_proof("the newer root differs");
    return {};
  }
  std::uint64_t node = old_size - 1;
  std::uint64_t last = new_size - 1;
  while (node % 2 != 0) node /= 2, last /= 2;
  // A whole left subtree (old_size a power of two): its hash is the old root itself and is not in the proof.
  Digest old_hash = old_root;
  if (!std::has_single_bit(old_size)) {
    if (proof.empty()) return bad_proof("it is too short");
    old_hash = proof.front();
    proof = proof.subspan(1);
  }
  Digest new_hash = old_hash;
  for (const Digest& hash : proof) {
    if (last == 0) return bad_proof("it is too long");
    if (node % 2 != 0 || node == last) {
      old_hash = merkle_node(hash, old_hash);
      new_hash = merkle_node(hash, new_hash);
      while (node % 2 == 0 && node != 0) node /= 2, last /= 2;
    } else {
      new_hash = merkle_node(new_hash, hash);
    }
    node /= 2, last /= 2;
  }
  if (last != 0) return bad_proof("it is too short");
  if (old_hash != old_root) return bad_proof("it leads to another older root");
  if (new_hash != new_root) return bad_proof("it leads to another newer root");
  return {};
}

}  // namespace sealift::crypto
