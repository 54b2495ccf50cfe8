#include "ledger/embedded/log_tree.hpp"

#include "base/check.hpp"

namespace sealift::ledger {

// As in binary addition: each trailing one bit of the old size is a subtree that the new leaf completes.
crypto::Digest LogTree::add(Frontier& frontier, std::size_t size, const crypto::Digest& leaf_hash) {
  crypto::Digest node = leaf_hash;
  for (; (size & 1) != 0; size >>= 1) {
    node = crypto::merkle_node(frontier.back(), node);
    frontier.pop_back();
  }
  frontier.push_back(node);
  crypto::Digest root = node;
  for (std::size_t i = frontier.size() - 1; i-- > 0;) root = crypto::merkle_node(frontier[i], root);
  return root;
}

void LogTree::append(const crypto::Digest& leaf_hash) {
  roots_.push_back(add(frontier_, leaves_.size(), leaf_hash));
  leaves_.push_back(leaf_hash);
}

crypto::Digest LogTree::root_with(const crypto::Digest& leaf_hash) const {
  Frontier frontier = frontier_;
  return add(frontier, leaves_.size(), leaf_hash);
}

void LogTree::truncate(std::size_t size) {
  std::vector<crypto::Digest> kept(leaves_.begin(), leaves_.begin() + static_cast<std::ptrdiff_t>(size));
  *this = LogTree();
  for (const crypto::Digest& leaf : kept) append(leaf);
}

crypto::Digest LogTree::root(std::size_t size) const {
  SEALIFT_CHECK(size <= leaves_.size());
  return size == 0 ? crypto::merkle_root({}) : roots_[size - 1];
}

Result<crypto::MerkleProof> LogTree::inclusion(std::uint64_t index, std::uint64_t size) const {
  if (size > leaves_.size())
    return fail(Code::kInvalid, "the log has {} leaves, not {}", leaves_.size(), size);
  return crypto::inclusion_proof(std::span(leaves_).first(size), index);
}

}  // namespace sealift::ledger
