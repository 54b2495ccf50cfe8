#include "balance/registry.hpp"

#include <gtest/gtest.h>

#include "balance/choose.hpp"
#include "balance/follow.hpp"

namespace sealift::balance {
namespace {

using std::chrono::seconds;

Config config_of(std::string_view pool_keys, std::initializer_list<std::string_view> servers) {
  std::string text =
      fmt::format("[[listener]]\nname='l'\naddress='127.0.0.1:1'\npool='p'\n[pool.p]\n{}\n", pool_keys);
  for (const std::string_view server : servers)
    text += fmt::format("[[pool.p.server]]\nname='{0}'\naddress='127.0.0.1:80'\nvm='vm-{0}'\n", server);
  auto config = parse_config(text, "b.toml");
  EXPECT_TRUE(config) << config.error().message;
  return *config;
}

ServerSpec server_named(const std::string& name) {
  ServerSpec spec;
  spec.name = name;
  spec.address = *Address::parse("127.0.0.1:81");
  return spec;
}

struct Fixture : testing::Test {
  Registry registry;
  SteadyTime now{seconds{1000}};

  void load(std::string_view keys, std::initializer_list<std::string_view> servers) {
    registry.apply(config_of(keys, servers), now);
    registry.snapshot(now);
  }
  const PoolView& pool() { return *registry.snapshot(now)->pools[0]; }
  const ServerView& view(std::string_view name) {
    for (const ServerView& server : pool().servers)
      if (server.spec.name == name) return server;
    ADD_FAILURE() << "no server " << name;
    std::abort();
  }
  std::uint64_t id(std::string_view name) {
    const auto targets = registry.targets();
    for (std::size_t i = 0; i < targets.size(); ++i)
      if (pool().servers[i].spec.name == name) return targets[i].id;
    return 0;
  }
  Json server_status(std::string_view name) {
    const Json status = registry.status(now);
    for (const Json& server : status["pools"][0]["servers"])
      if (server["name"] == name) return server;
    return {};
  }
};
using RegistryTest = Fixture;
using MoveFollowerTest = Fixture;

TEST_F(RegistryTest, ServerGoesDownAfterFallAndComesBackAfterRise) {
  load("[pool.p.health]\nfall = 3\nrise = 2", {"a", "b"});
  for (const bool good : {false, false, true, false, false}) {
    registry.health_result(id("a"), good ? std::nullopt : std::optional<std::string>("refused"), now);
    EXPECT_NE(view("a").weight, 0U) << "never three in a row";
  }
  registry.health_result(id("a"), "refused", now);
  EXPECT_EQ(view("a").weight, 0U);
  EXPECT_EQ(server_status("a")["state"], "down");
  registry.health_result(id("a"), std::nullopt, now);
  EXPECT_EQ(view("a").weight, 0U);
  registry.health_result(id("a"), std::nullopt, now);
  EXPECT_NE(view("a").weight, 0U);
}

TEST_F(RegistryTest, FailingConnectsEjectForATimeOnlyWhereNoCheckBringsItBack) {
  load("[pool.p.health]\ncheck = 'none'\npassive_failures = 3\npassive_ms = 5000", {"a", "b"});
  view("a").live->failures_in_row = 3;
  registry.tick(now, 0);
  EXPECT_EQ(view("a").weight, 0U);
  now += seconds{6};
  registry.tick(now, 0);
  EXPECT_NE(view("a").weight, 0U);
}

TEST_F(RegistryTest, SlowStartGrowsLinearly) {
  load("slow_start_ms = 10000\n[pool.p.health]\nfall = 1\nrise = 1", {"a", "b"});
  EXPECT_EQ(view("a").weight, 100U) << "not at the balancer's own start";
  registry.health_result(id("a"), "refused", now);
  registry.health_result(id("a"), std::nullopt, now);
  EXPECT_EQ(view("a").weight, 1U);
  now += seconds{5};
  registry.tick(now, 0);
  EXPECT_EQ(view("a").weight, 50U);
  now += seconds{6};
  registry.tick(now, 0);
  EXPECT_EQ(view("a").weight, 100U);
}

TEST_F(RegistryTest, AgentSetsShareAndState) {
  load("", {"a", "b"});
  registry.agent_result(id("a"), AgentReport{.percent = 30}, now);
  EXPECT_EQ(view("a").weight, 30U);
  registry.agent_result(id("a"), AgentReport{.percent = {}, .admin = AgentReport::Admin::kDrain}, now);
  EXPECT_EQ(view("a").weight, 0U);
  EXPECT_EQ(server_status("a")["state"], "draining");
  registry.agent_result(id("a"), fail(Code::kUnavailable, "gone"), now);
  registry.agent_result(id("a"), AgentReport{.percent = {}, .admin = AgentReport::Admin::kReady}, now);
  EXPECT_EQ(view("a").weight, 30U);
}

TEST_F(RegistryTest, CommandsOutliveAReloadAndTheStatusSaysSo) {
  load("", {"a", "b"});
  ASSERT_TRUE(registry.set_admin({"p", "a"}, Admin::kDrain, now));
  ASSERT_TRUE(registry.set_weight({"p", "b"}, 7));
  ASSERT_TRUE(registry.add("p", server_named("c"), now));
  load("", {"a", "b"});
  EXPECT_EQ(view("a").weight, 0U);
  EXPECT_EQ(view("b").weight, 700U);
  EXPECT_EQ(server_status("a")["changed_by_command"], Json({"state"}));
  EXPECT_EQ(server_status("c")["set_by"], "command");
  const Json commands = registry.commands();
  load("", {"b", "c"});
  EXPECT_EQ(server_status("c")["set_by"], "file");
  EXPECT_TRUE(server_status("a").is_null()) << "the file no longer names it";
  ASSERT_TRUE(registry.set_weight({"p", "b"}, std::nullopt));
  EXPECT_EQ(view("b").weight, 100U);

  Registry next;  // the process that takes over
  next.apply(config_of("", {"a", "b"}), now);
  next.apply_commands(commands, now);
  EXPECT_EQ(next.commands(), commands);
}

TEST_F(RegistryTest, RemovedServersSlotIsUsedAgainOnlyWhenNobodyCanCountOnIt) {
  load("", {"a", "b"});
  const auto live = view("a").live;
  PoolLive& counts = *pool().live;
  counts.active[live->slot] = 1;
  ASSERT_TRUE(registry.remove({"p", "a"}));
  const auto generation = registry.snapshot(now)->generation;
  ASSERT_TRUE(registry.add("p", server_named("n"), now));
  EXPECT_NE(view("n").live->slot, live->slot);
  registry.tick(now, generation);
  EXPECT_EQ(registry.status(now)["pools"][0]["leaving"], 1);
  counts.active[live->slot] = 0;
  registry.tick(now, generation - 1);
  EXPECT_EQ(registry.status(now)["pools"][0]["leaving"], 1) << "a loop still uses an older snapshot";
  registry.tick(now, generation);
  EXPECT_EQ(registry.status(now)["pools"][0]["leaving"], 0);
}

TEST_F(RegistryTest, HoldEndsByItselfAndReleaseIsPacedWhileSomebodyWaits) {
  load("hold_max_ms = 2000", {"a"});
  ASSERT_TRUE(registry.hold({"p", "a"}, std::nullopt, now));
  EXPECT_EQ(view("a").gate, Gate::kHeld);
  EXPECT_EQ(choose(pool(), 0, {}, 0).verdict, Verdict::kWait);
  view("a").live->held = 1;
  now += seconds{3};
  registry.tick(now, 0);
  EXPECT_EQ(view("a").gate, Gate::kReleasing) << "fails open";
  view("a").live->held = 0;
  registry.tick(now, 0);
  EXPECT_EQ(view("a").gate, Gate::kOpen);
  ASSERT_TRUE(registry.hold({"p", "a"}, seconds{3600}, now));
  now += seconds{3};
  registry.tick(now, 0);
  EXPECT_EQ(view("a").gate, Gate::kOpen) << "no longer than the pool allows; nobody waited";
  EXPECT_FALSE(registry.hold({"p", "zzz"}, std::nullopt, now));
}

TEST_F(MoveFollowerTest, MapsAMoveToHoldAndRelease) {
  load("[pool.p.health]\nfall = 1", {"a", "b"});
  MoveFollower follower;
  const auto tell = [&](std::uint64_t epoch, MovePhase phase, std::optional<Address> address = {}) {
    ASSERT_TRUE(follower.apply({"id", "vm-a", epoch, phase, "zurich", address}, registry, now));
  };
  tell(1, MovePhase::kMoving);
  registry.health_result(id("a"), "no answer in time", now);
  EXPECT_NE(view("a").weight, 0U) << "checks of a moving VM are not counted";
  EXPECT_EQ(view("a").gate, Gate::kOpen);
  tell(1, MovePhase::kSwitching);
  EXPECT_EQ(view("a").gate, Gate::kHeld);
  EXPECT_EQ(follower.status()["moves"][0]["phase"], "switching");
  tell(1, MovePhase::kMoved, Address::parse("127.0.0.2:80").value());
  EXPECT_EQ(view("a").gate, Gate::kOpen);
  EXPECT_EQ(view("a").spec.address.text(), "127.0.0.2:80");
  tell(1, MovePhase::kSwitching);
  tell(0, MovePhase::kSwitching);
  tell(1, MovePhase::kAborted, Address::parse("127.0.0.3:80").value());
  EXPECT_EQ(view("a").gate, Gate::kOpen) << "late news change nothing";
  EXPECT_EQ(view("a").spec.address.text(), "127.0.0.2:80");
  registry.health_result(id("a"), "refused", now);
  EXPECT_EQ(view("a").weight, 0U) << "counted again";
  tell(2, MovePhase::kSwitching);
  EXPECT_EQ(view("a").gate, Gate::kHeld) << "the next move, its beginning missed";
  tell(2, MovePhase::kAborted);
  EXPECT_EQ(view("a").gate, Gate::kOpen);
  EXPECT_EQ(follower.status()["followed"], 2);
  EXPECT_TRUE(follower.apply({"id", "unknown", 9, MovePhase::kSwitching, "", {}}, registry, now));
}

TEST_F(MoveFollowerTest, EveryServerThatNamesTheVmByNameOrIdFollows) {
  Config config = config_of("", {"a", "b", "c"});
  config.pools[0].servers[1].vm = "id";
  registry.apply(config, now);
  MoveFollower follower;
  ASSERT_TRUE(follower.apply({"id", "vm-a", 1, MovePhase::kSwitching, "zurich", {}}, registry, now));
  EXPECT_EQ(view("a").gate, Gate::kHeld);
  EXPECT_EQ(view("b").gate, Gate::kHeld);
  EXPECT_EQ(view("c").gate, Gate::kOpen);
}

TEST_F(MoveFollowerTest, FailsOpenWhenTheSourcesStreamIsLostOrItKnowsOfNoMove) {
  load("[pool.p.health]\nfall = 1", {"a"});
  MoveFollower follower;
  for (const bool lost : {true, false}) {
    const std::uint64_t epoch = lost ? 1 : 2;
    follower.stream_connected("zurich");
    ASSERT_TRUE(follower.apply({"id", "vm-a", epoch, MovePhase::kSwitching, "zurich", {}}, registry, now));
    follower.stream_lost("bern", "it is gone", registry, now);
    follower.told_whole("bern", {}, registry, now);
    follower.told_whole("zurich", {"id"}, registry, now);
    EXPECT_EQ(view("a").gate, Gate::kHeld) << "the source is still heard";
    if (lost) {
      follower.stream_lost("zurich", "it is gone", registry, now);
      EXPECT_EQ(follower.status()["hosts"][1]["why"], "it is gone");
    } else {
      follower.told_whole("zurich", {"another"}, registry, now);
    }
    EXPECT_EQ(view("a").gate, Gate::kOpen);
    EXPECT_EQ(server_status("a")["checks"], "counted");
    ASSERT_TRUE(follower.apply(
        {"id", "vm-a", epoch, MovePhase::kMoved, "zurich", Address::parse("127.0.0.9:80").value()}, registry,
        now));
    EXPECT_EQ(view("a").spec.address.text(), "127.0.0.9:80") << "the end counts all the same";
    ASSERT_TRUE(registry.set_address({"p", "a"}, Address::parse("127.0.0.1:80").value()));
  }
  EXPECT_EQ(follower.status()["failed_open"], 2);
}

}  // namespace
}  // namespace sealift::balance
