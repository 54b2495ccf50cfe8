#include "ledger/state.hpp"

#include <algorithm>
#include <mutex>

#include "base/check.hpp"

namespace sealift::ledger {

// Hashing every leaf anew would cost a block some milliseconds: each entry keeps its own, and the root is
// computed once per version, when somebody asks.
struct State::Root {
  std::once_flag once;
  crypto::Digest digest;
};

namespace {

void put_uvarint(Bytes& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<std::uint8_t>(value));
}

}  // namespace

crypto::Digest State::leaf_hash(std::string_view key, std::string_view value) {
  Bytes leaf;
  put_uvarint(leaf, key.size());
  leaf.insert(leaf.end(), key.begin(), key.end());
  const crypto::Digest digest = crypto::sha256(as_bytes(value));
  put_uvarint(leaf, digest.bytes.size());
  leaf.insert(leaf.end(), digest.bytes.begin(), digest.bytes.end());
  return crypto::merkle_leaf(leaf);  // puts the 0x00 before it
}

std::size_t State::position(std::string_view key) const {
  const auto found = std::ranges::lower_bound(entries_, key, {},
                                              [](const auto& entry) { return std::string_view(entry->key); });
  return static_cast<std::size_t>(found - entries_.begin());
}

std::optional<std::string_view> State::get(std::string_view key) const {
  const std::size_t index = position(key);
  if (index == entries_.size() || entries_[index]->key != key) return std::nullopt;
  return entries_[index]->value;
}

State State::with(std::vector<Change> changes, const std::vector<std::string>& removals) const {
  State next;
  next.entries_ = entries_;
  for (const std::string& key : removals) {
    const std::size_t index = next.position(key);
    SEALIFT_CHECK(index < next.entries_.size() && next.entries_[index]->key == key);
    next.entries_.erase(next.entries_.begin() + static_cast<std::ptrdiff_t>(index));
  }
  for (Change& change : changes) {
    const crypto::Digest leaf = leaf_hash(change.key, change.value);
    const std::size_t index = next.position(change.key);
    auto entry = std::make_shared<const Entry>(std::move(change.key), std::move(change.value), leaf);
    const auto at = next.entries_.begin() + static_cast<std::ptrdiff_t>(index);
    if (at != next.entries_.end() && (*at)->key == entry->key) {
      *at = std::move(entry);
    } else {
      next.entries_.insert(at, std::move(entry));
    }
  }
  next.root_ = std::make_shared<Root>();
  return next;
}

std::pair<std::string_view, std::string_view> State::at(std::size_t index) const {
  return {entries_.at(index)->key, entries_.at(index)->value};
}

bool State::same_entry(const State& other, std::size_t index, std::size_t other_index) const {
  return entries_.at(index) == other.entries_.at(other_index);
}

std::vector<crypto::Digest> State::leaves() const {
  std::vector<crypto::Digest> hashes;
  hashes.reserve(entries_.size());
  for (const auto& entry : entries_) hashes.push_back(entry->leaf);
  return hashes;
}

const crypto::Digest& State::root() const {
  std::call_once(root_->once, [&] { root_->digest = crypto::merkle_root(leaves()); });
  return root_->digest;
}

Result<State::Proof> State::prove(std::string_view key) const {
  const std::size_t index = position(key);
  if (index == entries_.size() || entries_[index]->key != key)
    return fail(Code::kNotFound, "the state has no '{}'", key);
  auto path = SEALIFT_TRY(crypto::inclusion_proof(leaves(), index));
  return Proof{entries_[index]->value, index, entries_.size(), std::move(path)};
}

}  // namespace sealift::ledger
