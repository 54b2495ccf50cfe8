#include "balance/rendezvous.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "balance/address.hpp"
#include "base/check.hpp"

namespace sealift::balance {

namespace {

constexpr std::uint16_t kNobody = 0xffff;

using Member = RendezvousTable::Member;

std::uint64_t draw(std::uint64_t slot, const Member& member) {
  return mix(slot ^ member.seed);
}

// The winner among `rivals` and the incumbent (kNobody: none). With equal weights the largest draw wins,
// which is the same order as the smallest -ln(u) / weight without the logarithms.
std::uint16_t contest(std::uint64_t slot, std::span<const Member> members,
                      std::span<const std::uint16_t> rivals, std::uint16_t incumbent, bool equal_weights) {
  std::uint16_t best = incumbent;
  if (equal_weights) {
    std::uint64_t most = best == kNobody ? 0 : draw(slot, members[best]);
    for (const std::uint16_t rival : rivals) {
      const std::uint64_t drawn = draw(slot, members[rival]);
      if (best == kNobody || drawn > most) most = drawn, best = rival;
    }
    return best;
  }
  const auto cost = [&](std::uint16_t index) {
    const double u = (static_cast<double>(draw(slot, members[index]) >> 11) + 0.5) * 0x1p-53;
    return -std::log(u) / members[index].weight;
  };
  double least = best == kNobody ? INFINITY : cost(best);
  for (const std::uint16_t rival : rivals)
    if (const double paid = cost(rival); paid < least) least = paid, best = rival;
  return best;
}

}  // namespace

std::uint64_t RendezvousTable::seed_of(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a, then mixed
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return mix(hash);
}

RendezvousTable RendezvousTable::build(std::span<const Member> members, const RendezvousTable* previous) {
  SEALIFT_CHECK(members.size() < kNobody);
  RendezvousTable table;
  table.members_.assign(members.begin(), members.end());
  if (members.empty()) return table;
  table.owners_.assign(kSlots, kNobody);

  std::vector<std::uint16_t> everyone(members.size());
  std::iota(everyone.begin(), everyone.end(), std::uint16_t{0});
  std::vector<std::uint16_t> added = everyone;
  if (previous != nullptr && !previous->empty()) {
    std::unordered_map<std::uint64_t, std::uint16_t> by_seed;
    for (const std::uint16_t index : everyone) by_seed.emplace(members[index].seed, index);
    std::vector<std::uint16_t> now(previous->members_.size(), kNobody);
    for (std::size_t old = 0; old < now.size(); ++old) {
      const auto found = by_seed.find(previous->members_[old].seed);
      if (found != by_seed.end() && members[found->second] == previous->members_[old])
        now[old] = found->second;
    }
    for (std::size_t slot = 0; slot < kSlots; ++slot) table.owners_[slot] = now[previous->owners_[slot]];
    std::erase_if(added, [&](std::uint16_t index) { return std::ranges::find(now, index) != now.end(); });
  }
  const bool equal =
      std::ranges::all_of(members, [&](const Member& m) { return m.weight == members[0].weight; });
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    std::uint16_t& owner = table.owners_[slot];
    const auto& rivals = owner == kNobody ? everyone : added;
    if (!rivals.empty()) owner = contest(mix(slot + 1), members, rivals, owner, equal);
  }
  return table;
}

}  // namespace sealift::balance
