#pragma once

// Consistent hashing: 2^18 slots, each owned by the winner of a weighted rendezvous among the members (Thaler
// and Ravishankar 1998; weights as -ln(u) / weight). A client's address picks its slot, so a lookup is one
// load.
//
// The table is a function of the members alone: the same after a restart, and a member that leaves moves
// exactly its own slots, one that comes takes only what becomes its own. Slots per member are binomial around
// n = 2^18 weight / sum, so they stay within n +- 5 sqrt(n) (one chance in a million a member).
// Maglev would hold them within one, but moves up to 0.6 % of the others' clients.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sealift::balance {

class RendezvousTable {
 public:
  static constexpr std::size_t kSlots = 1U << 18;
  struct Member {
    std::uint64_t seed = 0;  // seed_of(name)
    std::uint32_t weight = 1;
    bool operator==(const Member&) const = default;
  };

  // At most 65,535 members with distinct seeds and weights > 0. From `previous` only what changed is
  // computed.
  static RendezvousTable build(std::span<const Member> members, const RendezvousTable* previous = nullptr);

  bool is_of(std::span<const Member> members) const { return std::ranges::equal(members_, members); }
  bool empty() const { return members_.empty(); }
  // Position in the members given to build(); not for an empty table.
  std::uint16_t owner(std::uint64_t key) const { return owners_[key % kSlots]; }

  static std::uint64_t seed_of(std::string_view name);

 private:
  std::vector<Member> members_;
  std::vector<std::uint16_t> owners_;
};

}  // namespace sealift::balance
