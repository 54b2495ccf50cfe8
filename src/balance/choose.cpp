#include "balance/choose.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "balance/schedule.hpp"

namespace sealift::balance {

namespace {

constexpr std::uint32_t kCostScale = 1U << 26;
constexpr std::uint32_t kNoLimit = 0xffffffff;
using Position = std::optional<std::uint16_t>;  // in candidates

std::uint32_t active(const PoolView& pool, std::size_t position) {
  return pool.live->active[pool.slots[position]].load(std::memory_order_relaxed);
}

// Load after one more connection, per weight.
std::uint64_t cost(const PoolView& pool, std::size_t position) {
  return (std::uint64_t{active(pool, position)} + 1) * pool.costs[position];
}

bool free_of(const PoolView& pool, std::size_t position, std::span<const std::uint16_t> tried) {
  return active(pool, position) < pool.limits[position] &&
         std::ranges::find(tried, pool.slots[position]) == tried.end();
}

Position least(const PoolView& pool, std::span<const std::uint16_t> tried) {
  std::uint64_t best_cost = ~0ULL;
  std::size_t best = pool.candidates.size();
  // Equal ones take turns: the search starts further on each time.
  const std::size_t count = pool.candidates.size();
  const std::size_t start = pool.live->cursor.fetch_add(1, std::memory_order_relaxed) % count;
  const auto search = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i)
      if (const std::uint64_t price = cost(pool, i); price < best_cost && free_of(pool, i, tried))
        best_cost = price, best = i;
  };
  search(start, count);
  search(0, start);
  return best == count ? Position{} : Position{static_cast<std::uint16_t>(best)};
}

Position next_turn(const PoolView& pool, std::span<const std::uint16_t> tried) {
  constexpr int kTurns = 32;  // full or failed servers are passed over, then the least loaded is looked for
  for (int i = 0; i < kTurns; ++i) {
    const std::uint64_t turn = pool.live->cursor.fetch_add(1, std::memory_order_relaxed);
    const std::uint16_t position = pool.schedule[turn % pool.schedule.size()];
    if (free_of(pool, position, tried)) return position;
  }
  return least(pool, tried);
}

Position better_of_two(const PoolView& pool, std::span<const std::uint16_t> tried, std::uint64_t random) {
  const std::size_t turns = pool.schedule.size();
  const std::uint16_t one = pool.schedule[(random & 0xffffffff) * turns >> 32];
  const std::uint16_t other = pool.schedule[(random >> 32) * turns >> 32];
  const std::uint16_t better = cost(pool, other) < cost(pool, one) ? other : one;
  return free_of(pool, better, tried) ? Position{better} : least(pool, tried);
}

// The owner of the client's slot; when that one just failed, or has more than its share, the owners of
// further slots, the same ones for the same client.
Choice sticky(const PoolView& pool, std::uint64_t key, std::span<const std::uint16_t> tried) {
  constexpr int kProbes = 64;
  std::uint64_t total = 0;
  if (pool.spec.bounded_load != 0)
    for (std::size_t i = 0; i < pool.candidates.size(); ++i) total += active(pool, i);
  std::uint64_t at = key;
  for (int probe = 0; probe < kProbes; ++probe) {
    const std::uint16_t position = pool.table->owner(at);
    at = mix(at + 0x9e3779b97f4a7c15ULL);
    if (std::ranges::find(tried, pool.slots[position]) != tried.end()) continue;
    const ServerView& server = pool.servers[pool.candidates[position]];
    if (pool.spec.bounded_load != 0) {
      const std::uint64_t share = (total + 1) * server.weight * pool.spec.bounded_load;
      const std::uint64_t bound = (share + pool.weight_sum * 100 - 1) / (pool.weight_sum * 100);
      if (active(pool, position) >= bound) continue;
    }
    const bool waits = server.gate != Gate::kOpen || active(pool, position) >= pool.limits[position];
    return {waits ? Verdict::kWait : Verdict::kServer, pool.candidates[position], waits};
  }
  const Position any = least(pool, tried);
  return any ? Choice{Verdict::kServer, pool.candidates[*any]} : Choice{};
}

}  // namespace

void PoolView::index(const std::shared_ptr<const RendezvousTable>& previous) {
  const bool sticks = spec.algorithm == Algorithm::kIpHash;
  const auto takes = [&](const ServerView& server, bool backup, bool held_too) {
    return server.weight != 0 && server.spec.backup == backup && (held_too || server.gate == Gate::kOpen);
  };
  // Open ones, then open backups, then those that are held; who sticks to a server waits for it.
  for (const auto& [backup, held_too] :
       {std::pair{false, sticks}, {true, sticks}, {false, true}, {true, true}}) {
    for (std::size_t i = 0; i < servers.size(); ++i)
      if (takes(servers[i], backup, held_too)) candidates.push_back(static_cast<std::uint16_t>(i));
    if (!candidates.empty()) break;
  }
  std::vector<std::uint32_t> weights;
  std::vector<RendezvousTable::Member> members;
  for (const std::uint16_t candidate : candidates) {
    const ServerView& server = servers[candidate];
    slots.push_back(server.live->slot);
    costs.push_back(std::max(1U, kCostScale / server.weight));
    limits.push_back(server.spec.connections_max == 0 ? kNoLimit : server.spec.connections_max);
    weights.push_back(server.weight);
    weight_sum += server.weight;
    members.push_back({RendezvousTable::seed_of(server.spec.name), server.weight});
  }
  if (sticks) {
    table = previous && previous->is_of(members)
                ? previous
                : std::make_shared<const RendezvousTable>(RendezvousTable::build(members, previous.get()));
  } else {
    schedule = make_schedule(weights);
  }
}

std::uint64_t client_key(const PoolSpec& pool, const Address& client) {
  const auto ip = masked(client.ip, client.is_v4() ? 96 + pool.hash_bits_v4 : pool.hash_bits_v6);
  std::uint64_t high = 0, low = 0;
  std::memcpy(&high, ip.data(), 8);
  std::memcpy(&low, ip.data() + 8, 8);
  return mix(mix(high) + low);
}

Choice choose(const PoolView& pool, std::uint64_t key, std::span<const std::uint16_t> tried,
              std::uint64_t random) {
  if (pool.candidates.empty()) return {};
  if (pool.spec.algorithm == Algorithm::kIpHash) return sticky(pool, key, tried);
  Position position;
  switch (pool.spec.algorithm) {
    case Algorithm::kRoundRobin: position = next_turn(pool, tried); break;
    case Algorithm::kPowerOfTwo: position = better_of_two(pool, tried, random); break;
    default: position = least(pool, tried); break;
  }
  if (position) {
    const std::uint16_t server = pool.candidates[*position];
    return {pool.servers[server].gate == Gate::kOpen ? Verdict::kServer : Verdict::kWait, server};
  }
  const bool all_tried = std::ranges::all_of(
      pool.slots, [&](std::uint16_t slot) { return std::ranges::find(tried, slot) != tried.end(); });
  return {all_tried ? Verdict::kNone : Verdict::kWait};
}

bool acquire(const PoolView& pool, const ServerView& server) {
  const std::uint32_t limit = server.spec.connections_max;
  auto& count = pool.live->active[server.live->slot];
  if (count.fetch_add(1, std::memory_order_relaxed) < limit || limit == 0) return true;
  count.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void release(PoolLive& pool, const ServerLive& server) {
  // Release: a server that left is freed when its count is 0, after all that was done with it here.
  pool.active[server.slot].fetch_sub(1, std::memory_order_release);
}

}  // namespace sealift::balance
