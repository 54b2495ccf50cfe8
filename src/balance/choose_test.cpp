#include "balance/choose.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/clock.hpp"

namespace sealift::balance {
namespace {

// A pool of `weights.size()` servers named s0, s1, …; weight 0 is one that takes nothing.
PoolView make_pool(Algorithm algorithm, const std::vector<std::uint32_t>& weights,
                   const std::shared_ptr<PoolLive>& live = std::make_shared<PoolLive>(),
                   std::uint32_t limit = 0) {
  PoolView pool;
  pool.spec.algorithm = algorithm;
  pool.live = live;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    ServerView& server = pool.servers.emplace_back();
    server.spec.name = "s" + std::to_string(i);
    server.spec.connections_max = limit;
    server.live = std::make_shared<ServerLive>(static_cast<std::uint16_t>(i));
    server.weight = weights[i];
  }
  return pool;
}

PoolView indexed(PoolView pool) {
  pool.index(nullptr);
  return pool;
}

std::uint16_t pick(const PoolView& pool, std::uint64_t key = 0, std::uint64_t random = 0) {
  const Choice choice = choose(pool, key, {}, random);
  EXPECT_EQ(choice.verdict, Verdict::kServer);
  EXPECT_TRUE(acquire(pool, pool.servers[choice.server]));
  return choice.server;
}

TEST(RoundRobin, IsExactUnderWeights) {
  SeededRandom random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::uint32_t> weights(1 + random.below(30));
    for (auto& weight : weights) weight = static_cast<std::uint32_t>(random.below(20));
    weights[0] = 1;
    const PoolView pool = indexed(make_pool(Algorithm::kRoundRobin, weights));
    std::vector<std::uint32_t> counts(weights.size());
    std::uint32_t sum = 0;
    for (const auto weight : weights) sum += weight;
    for (std::uint32_t turn = 1; turn <= 3 * sum; ++turn) {
      ++counts[pick(pool)];
      // Smooth: at no point is a server a whole turn and a bit away from its share.
      for (std::size_t i = 0; i < weights.size(); ++i)
        EXPECT_LT(std::abs(counts[i] - double(turn) * weights[i] / sum), 2.0) << "seed round " << round;
    }
    for (std::size_t i = 0; i < weights.size(); ++i) EXPECT_EQ(counts[i], 3 * weights[i]);
  }
}

TEST(RoundRobin, SpreadsAHeavyServerEvenly) {
  const PoolView pool = indexed(make_pool(Algorithm::kRoundRobin, {5, 1, 1}));
  std::string turns;
  for (int i = 0; i < 7; ++i) turns += static_cast<char>('a' + pick(pool));
  EXPECT_EQ(turns, "aaabcaa");
}

TEST(LeastConnections, IsNeverMoreThanOneAboveTheLeast) {
  SeededRandom random(11);
  const PoolView pool = indexed(make_pool(Algorithm::kLeastConnections, std::vector<std::uint32_t>(37, 1)));
  for (int step = 0; step < 20'000; ++step) {
    if (random.below(3) == 0) {  // somebody leaves, wherever
      auto& count = pool.live->active[random.below(37)];
      if (count != 0) --count;
      continue;
    }
    std::uint32_t least = ~0U;
    for (std::size_t i = 0; i < 37; ++i) least = std::min(least, pool.live->active[i].load());
    EXPECT_EQ(pool.live->active[pick(pool)].load(), least + 1);
  }
}

TEST(LeastConnections, FollowsWeights) {
  for (const Algorithm algorithm : {Algorithm::kLeastConnections, Algorithm::kLeastLoad}) {
    const PoolView pool = indexed(make_pool(algorithm, {1, 2, 5}));
    for (int i = 0; i < 800; ++i) pick(pool);
    EXPECT_NEAR(pool.live->active[0].load(), 100, 1);
    EXPECT_NEAR(pool.live->active[1].load(), 200, 1);
    EXPECT_NEAR(pool.live->active[2].load(), 500, 1);
  }
}

TEST(PowerOfTwo, StaysCloseToTheMeanAndFollowsWeights) {
  SeededRandom random(3);
  const PoolView pool = indexed(make_pool(Algorithm::kPowerOfTwo, std::vector<std::uint32_t>(100, 1)));
  for (int i = 0; i < 100'000; ++i) pick(pool, 0, random.next());
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < 100; ++i) most = std::max(most, pool.live->active[i].load());
  EXPECT_LE(most, 1000 + 5) << "log log n above the mean, not its square root (random alone: about 1,080)";
}

TEST(IpHash, RemovingAServerMovesOnlyItsClientsAndSharesStayInTheirBound) {
  for (const std::size_t count : {10U, 100U, 1000U}) {
    std::vector<std::uint32_t> weights(count, 1);
    const PoolView all = indexed(make_pool(Algorithm::kIpHash, weights));
    std::vector<int> slots(count);
    for (std::uint64_t slot = 0; slot < RendezvousTable::kSlots; ++slot) ++slots[all.table->owner(slot)];
    const double mean = double(RendezvousTable::kSlots) / double(count);
    for (const int owned : slots) EXPECT_NEAR(owned, mean, 5 * std::sqrt(mean));

    const std::size_t gone = count / 2;
    weights[gone] = 0;
    PoolView without = make_pool(Algorithm::kIpHash, weights);
    without.index(all.table);
    // Made from nothing, it is the same. (With 1,000 servers that takes seconds in a debug build.)
    const bool compare = count <= 100;
    const PoolView afresh = compare ? indexed(make_pool(Algorithm::kIpHash, weights)) : PoolView{};
    PoolView again = make_pool(Algorithm::kIpHash, std::vector<std::uint32_t>(count, 1));
    again.index(without.table);
    for (std::uint64_t client = 0; client < 20'000; ++client) {
      const std::uint64_t key = mix(client);
      const std::uint16_t before = choose(all, key, {}, 0).server;
      const std::uint16_t after = choose(without, key, {}, 0).server;
      if (before != gone) {
        EXPECT_EQ(after, before);
      }
      EXPECT_NE(after, gone);
      if (compare) {
        EXPECT_EQ(choose(afresh, key, {}, 0).server, after) << "history counts";
      }
      EXPECT_EQ(choose(again, key, {}, 0).server, before) << "who comes back finds its clients";
    }
  }
}

TEST(IpHash, FollowsWeightsAndAChangeMovesOnlyWhatItMust) {
  const PoolView equal = indexed(make_pool(Algorithm::kIpHash, {2, 2, 2}));
  PoolView heavier = make_pool(Algorithm::kIpHash, {2, 2, 4});
  heavier.index(equal.table);
  std::array<int, 3> slots{};
  for (std::uint64_t slot = 0; slot < RendezvousTable::kSlots; ++slot) {
    const std::uint16_t owner = heavier.table->owner(slot);
    ++slots[owner];
    if (owner != 2) {
      EXPECT_EQ(equal.table->owner(slot), owner);
    }
  }
  EXPECT_NEAR(slots[2], RendezvousTable::kSlots / 2, 2000);
}

TEST(IpHash, PrefixesAreOneClientAndBoundedLoadSpills) {
  PoolSpec spec;
  spec.hash_bits_v4 = 24;
  spec.hash_bits_v6 = 48;
  const auto key = [&](const char* text) { return client_key(spec, *Address::parse(text)); };
  EXPECT_EQ(key("192.0.2.7:1"), key("192.0.2.200:9"));
  EXPECT_NE(key("192.0.2.7:1"), key("192.0.3.7:1"));
  EXPECT_EQ(key("[2001:db8:1:2::7]:1"), key("[2001:db8:1:3::7]:2"));
  EXPECT_NE(key("[2001:db8:1::7]:1"), key("[2001:db8:2::7]:1"));

  PoolView pool = make_pool(Algorithm::kIpHash, std::vector<std::uint32_t>(10, 1));
  pool.spec.bounded_load = 125;
  pool.index(nullptr);
  for (std::uint32_t i = 1; i <= 1000; ++i) {
    const std::uint16_t server = pick(pool, 42);  // one client alone: it would all go to one server
    EXPECT_LE(pool.live->active[server].load(), std::ceil(i * 1.25 / 10));
  }
}

TEST(Choose, RespectsLimitsAndTriedServers) {
  for (const Algorithm algorithm :
       {Algorithm::kRoundRobin, Algorithm::kLeastConnections, Algorithm::kPowerOfTwo}) {
    const PoolView pool = indexed(make_pool(algorithm, {1, 9, 1}, std::make_shared<PoolLive>(), 4));
    for (int i = 0; i < 12; ++i) pick(pool);
    EXPECT_EQ(choose(pool, 0, {}, 0).verdict, Verdict::kWait) << "all at their limit";
    EXPECT_FALSE(acquire(pool, pool.servers[1]));
    release(*pool.live, *pool.servers[2].live);
    EXPECT_EQ(pick(pool), 2);
    release(*pool.live, *pool.servers[1].live);
    const std::array<std::uint16_t, 1> tried{1};
    EXPECT_EQ(choose(pool, 0, tried, 0).verdict, Verdict::kWait);
    const std::array<std::uint16_t, 3> all{0, 1, 2};
    EXPECT_EQ(choose(pool, 0, all, 0).verdict, Verdict::kNone);
  }
  EXPECT_EQ(choose(indexed(make_pool(Algorithm::kRoundRobin, {0, 0})), 0, {}, 0).verdict, Verdict::kNone);
}

TEST(Choose, BackupsOnlyWhenNobodyElseCanAndHeldServersOnlyWhereOneMustWait) {
  PoolView pool = make_pool(Algorithm::kRoundRobin, {1, 1, 1});
  pool.servers[2].spec.backup = true;
  pool.servers[0].gate = Gate::kHeld;
  EXPECT_EQ(pick(indexed(pool)), 1);
  EXPECT_EQ(pick(indexed(pool)), 1);
  pool.servers[1].weight = 0;
  EXPECT_EQ(pick(indexed(pool)), 2) << "an open backup rather than waiting";
  pool.servers[2].weight = 0;
  EXPECT_EQ(choose(indexed(pool), 0, {}, 0).verdict, Verdict::kWait);

  PoolView sticky = make_pool(Algorithm::kIpHash, {1, 1});
  sticky.servers[0].gate = Gate::kHeld;
  sticky.index(nullptr);
  int waits = 0;
  for (std::uint64_t client = 0; client < 1000; ++client) {
    const Choice choice = choose(sticky, mix(client), {}, 0);
    EXPECT_EQ(choice.verdict == Verdict::kWait, choice.server == 0) << "only the held one's clients wait";
    if (choice.verdict != Verdict::kWait) continue;
    EXPECT_TRUE(choice.only);
    ++waits;
  }
  EXPECT_NEAR(waits, 500, 80);
}

TEST(Routes, LongestPrefixWins) {
  Routes routes;
  for (const auto& [text, pool] : std::map<std::string, std::uint32_t>{
           {"0.0.0.0/0", 1}, {"10.0.0.0/8", 2}, {"10.1.0.0/16", 3}, {"10.1.2.3", 4}, {"2001:db8::/32", 5}})
    routes.add(*Network::parse(text), pool);
  routes.seal();
  const auto find = [&](const char* text) { return routes.find(*Address::parse(text)); };
  EXPECT_EQ(find("192.0.2.1:1"), 1U);
  EXPECT_EQ(find("10.200.0.1:1"), 2U);
  EXPECT_EQ(find("10.1.9.9:1"), 3U);
  EXPECT_EQ(find("10.1.2.3:1"), 4U);
  EXPECT_EQ(find("[2001:db8::1]:1"), 5U);
  EXPECT_EQ(find("[2001:db9::1]:1"), std::nullopt);
}

}  // namespace
}  // namespace sealift::balance
