#pragma once

// State: what the records in order have come to. A sorted key/value map (keys text, values JSON in one line,
// keys sorted) with a Merkle root in CometBFT's `simple:v` form:
//   leaf = 0x00 ‖ uvarint len(key) ‖ key ‖ uvarint 32 ‖ SHA-256(value); RFC 6962 tree over the sorted keys.
// A State is immutable; with() makes the next one. Values are shared between versions.
//   domain/changes   membership changes so far, and of rules       domain/id, domain/policy
//   domain/rules     version in force, and the activated next one  domain/serve   term, server
//   key/<hex>        every key that a member ever had: its name    member/<name>
//   move/<hex>       every move, for ever                          vm/<uuid>      every VM, for ever

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/merkle.hpp"
#include "ledger/views.hpp"

namespace sealift::ledger {

class State {
 public:
  static State from_genesis(const Genesis& genesis);
  // From rows that the store kept; the root is checked by the caller. kCorrupt.
  static Result<State> from_pairs(std::vector<std::pair<std::string, std::string>> pairs);

  std::optional<std::string_view> get(std::string_view key) const;
  struct Change {
    std::string key;
    std::string value;
  };
  State with(std::vector<Change> changes, const std::vector<std::string>& removals = {}) const;
  std::size_t size() const { return entries_.size(); }
  std::pair<std::string_view, std::string_view> at(std::size_t index) const;
  // The same object, not only the same bytes: what did not change between two versions.
  bool same_entry(const State& other, std::size_t index, std::size_t other_index) const;
  const crypto::Digest& root() const;
  // Value, index and proof of a key under root(); kNotFound.
  struct Proof {
    std::string value;
    std::uint64_t index = 0, total = 0;
    crypto::MerkleProof path;
  };
  Result<Proof> prove(std::string_view key) const;
  static crypto::Digest leaf_hash(std::string_view key, std::string_view value);

  DomainId domain() const;
  Policy policy() const;
  std::uint64_t changes() const;
  RulesVersion rules() const;
  Serving serving() const;
  std::vector<Member> members() const;
  std::optional<Member> member(const HostName& name) const;
  std::optional<HostName> key_holder(const crypto::PublicKey& key) const;  // a member now
  bool key_known(const crypto::PublicKey& key) const;                      // anyone's, ever
  MemberSet member_set() const;
  std::vector<Vm> vms() const;
  std::optional<Vm> vm(const VmId& id) const;
  std::vector<Move> moves() const;
  std::optional<Move> move(const MoveId& id) const;
  std::optional<Move> last_move(const VmId& vm) const;

 private:
  State() = default;
  struct Entry {
    Entry(std::string k, std::string v, const crypto::Digest& l)
        : key(std::move(k)), value(std::move(v)), leaf(l) {}
    std::string key, value;
    crypto::Digest leaf;
  };
  std::size_t position(std::string_view key) const;  // of the first entry that is not before it
  std::vector<crypto::Digest> leaves() const;
  template <class T>
  std::vector<T> all(std::string_view prefix) const;
  template <class T>
  std::optional<T> one(const std::string& key) const;

  std::vector<std::shared_ptr<const Entry>> entries_;  // shared between versions
  struct Root;
  std::shared_ptr<Root> root_;  // computed on first use; shared by copies of one version
};

}  // namespace sealift::ledger
