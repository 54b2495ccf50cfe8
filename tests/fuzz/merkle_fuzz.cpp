// Merkle proofs: for a real tree, a verifier accepts exactly the proof that RFC 6962 gives and no other
// bytes. Input: tree size (1 to 64), leaf index, older size, one byte each, then a claimed size and index
// (u64 each, for trees that do not exist), then the proof's hashes.

#include <cstdlib>

#include "crypto/merkle.hpp"

using namespace sealift;
using crypto::Digest;
using crypto::MerkleProof;

namespace {

const std::vector<Digest>& leaves() {
  static const std::vector<Digest> all = [] {
    std::vector<Digest> out;
    for (int i = 0; i < 64; ++i) out.push_back(crypto::merkle_leaf(as_bytes(std::to_string(i))));
    return out;
  }();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHeaderBytes = 19;
  if (size < kHeaderBytes) return 0;
  const std::size_t tree_size = data[0] % 64U + 1;
  const std::size_t index = data[1] % tree_size;
  const std::size_t old_size = data[2] % (tree_size + 1);
  MerkleProof proof;
  for (std::size_t at = kHeaderBytes; at + 32 <= size; at += 32)
    proof.push_back(Digest::from_bytes({data + at, 32}).value());

  const auto tree = std::span(leaves()).first(tree_size);
  const Digest root = crypto::merkle_root(tree);
  const Digest old_root = crypto::merkle_root(tree.first(old_size));
  const bool included = crypto::verify_inclusion(tree[index], index, tree_size, proof, root).has_value();
  if (included != (proof == crypto::inclusion_proof(tree, index).value())) std::abort();
  const bool consistent = crypto::verify_consistency(old_size, old_root, tree_size, root, proof).has_value();
  if (consistent != (proof == crypto::consistency_proof(tree, old_size).value())) std::abort();

  const std::uint64_t far_size = load_be64(data + 3);
  const std::uint64_t far_index = load_be64(data + 11);
  if (crypto::verify_inclusion(tree[0], far_index, far_size, proof, root) && far_index >= far_size)
    std::abort();
  if (crypto::verify_consistency(far_index, old_root, far_size, root, proof) && far_index > far_size)
    std::abort();
  return 0;
}
