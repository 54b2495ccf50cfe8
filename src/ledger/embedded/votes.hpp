#pragma once

// Who has cosigned how far, by term and key: what finality is counted from (internal to the module).

#include <map>

#include "ledger/views.hpp"

namespace sealift::ledger {

class Votes {
 public:
  void add(std::uint64_t term, const crypto::PublicKey& key, std::uint64_t size) {
    std::uint64_t& highest = by_term_[term][key];
    highest = std::max(highest, size);
  }
  // A majority of the set has cosigned checkpoints of one term that cover the block.
  bool covered(std::uint64_t height, const MemberSet& set) const {
    for (const auto& [term, sizes] : by_term_) {
      if (count(sizes, height, set) >= set.quorum()) return true;
    }
    return false;
  }
  // Members of the set who have not, in the highest term of all votes.
  std::vector<HostName> missing(std::uint64_t height, const MemberSet& set) const {
    std::vector<HostName> names;
    for (const crypto::NamedKey& member : set.members) {
      if (!by_term_.empty() && covers(by_term_.rbegin()->second, height, member.key)) continue;
      if (auto name = HostName::parse(member.name)) names.push_back(std::move(*name));
    }
    return names;
  }

 private:
  using Sizes = std::map<crypto::PublicKey, std::uint64_t>;
  static bool covers(const Sizes& sizes, std::uint64_t height, const crypto::PublicKey& key) {
    const auto found = sizes.find(key);
    return found != sizes.end() && found->second >= height;
  }
  static std::size_t count(const Sizes& sizes, std::uint64_t height, const MemberSet& set) {
    std::size_t number = 0;
    for (const crypto::NamedKey& member : set.members) number += covers(sizes, height, member.key) ? 1 : 0;
    return number;
  }
  std::map<std::uint64_t, Sizes> by_term_;
};

}  // namespace sealift::ledger
