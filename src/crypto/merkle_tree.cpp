#include <bit>

#include "base/check.hpp"
#include "crypto/merkle.hpp"

namespace sealift::crypto {

namespace {

constexpr std::size_t words_for(std::size_t bits) {
  return (bits + 63) / 64;
}

bool test_and_set(std::vector<std::uint64_t>& bits, std::size_t index) {
  std::uint64_t& word = bits[index / 64];
  const std::uint64_t mask = std::uint64_t{1} << (index % 64);
  const bool was = (word & mask) != 0;
  word |= mask;
  return was;
}

}  // namespace

MerkleTree::MerkleTree(std::size_t leaves) : leaves_(leaves), own_(storage_nodes(leaves)) {
  divide(own_);  // a moved vector keeps its elements in place: the levels stay valid
}

MerkleTree::MerkleTree(std::size_t leaves, std::span<Digest> storage) : leaves_(leaves) {
  divide(storage);
}

void MerkleTree::divide(std::span<Digest> storage) {
  SEALIFT_CHECK(storage.size() >= storage_nodes(leaves_));
  for (std::size_t nodes = leaves_; nodes > 0; nodes = nodes == 1 ? 0 : (nodes + 1) / 2) {
    levels_.push_back(storage.first(nodes));
    storage = storage.subspan(nodes);
  }
  if (leaves_ > 0) std::ranges::fill(levels_[0], Digest{});
  dirty_.assign(words_for(leaves_), ~std::uint64_t{0});
  if (leaves_ % 64 != 0) dirty_.back() = (std::uint64_t{1} << (leaves_ % 64)) - 1;
}

std::size_t MerkleTree::storage_nodes(std::size_t leaves) {
  std::size_t total = leaves;
  for (std::size_t nodes = leaves; nodes > 1; total += nodes) nodes = (nodes + 1) / 2;
  return total;
}

void MerkleTree::set(std::size_t index, const Digest& leaf_hash) {
  SEALIFT_CHECK(index < leaves_);
  if (levels_[0][index] == leaf_hash) return;
  levels_[0][index] = leaf_hash;
  test_and_set(dirty_, index);
}

const Digest& MerkleTree::leaf(std::size_t index) const {
  SEALIFT_CHECK(index < leaves_);
  return levels_[0][index];
}

Digest MerkleTree::root() {
  if (leaves_ == 0) return sha256({});
  std::vector<std::uint64_t> changed = dirty_;
  for (std::size_t depth = 0; depth + 1 < levels_.size(); ++depth) {
    const std::span<const Digest> below = levels_[depth];
    const std::span<Digest> above = levels_[depth + 1];
    std::vector<std::uint64_t> parents(words_for(above.size()));
    for (std::size_t word = 0; word < changed.size(); ++word) {
      for (std::uint64_t bits = changed[word]; bits != 0; bits &= bits - 1) {
        const std::size_t parent = (word * 64 + static_cast<std::size_t>(std::countr_zero(bits))) / 2;
        if (test_and_set(parents, parent)) continue;
        const std::size_t left = 2 * parent;
        above[parent] = left + 1 < below.size() ? merkle_node(below[left], below[left + 1]) : below[left];
      }
    }
    changed = std::move(parents);
  }
  std::ranges::fill(dirty_, 0);
  return levels_.back()[0];
}

}  // namespace sealift::crypto
