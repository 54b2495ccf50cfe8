#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cstdlib>

#include "broken_variants.hpp"
#include "world.hpp"

// The custody machines under every single fault at every step, and under many faults at random. A failure
// prints the seed or the place of the fault and the trace as a sequence diagram.

namespace sealift::sim {

namespace {

using custody::MoveMode;
constexpr std::uint64_t kStepsMax = 6000;
constexpr std::uint64_t kDurations[] = {4, 150, 700};

enum class Schedule { kFirst, kLast, kRotate };

std::function<std::size_t(std::size_t)> picker(Schedule schedule) {
  return [schedule, turn = std::size_t{0}](std::size_t count) mutable -> std::size_t {
    if (schedule == Schedule::kFirst) return 0;
    if (schedule == Schedule::kLast) return count - 1;
    return turn++ % count;
  };
}

using Pick = std::function<std::size_t(std::size_t)>;

std::string run_until_settled(World& world, const Pick& pick) {
  for (std::uint64_t i = 0; i < kStepsMax; ++i) {
    world.step(pick);
    if (!world.error().empty()) return world.error();
    if (world.settled()) return world.final_error();
  }
  return "the world does not come to rest";
}

// After everything: one more move without faults must succeed.
std::string next_move(World& world, const Pick& pick) {
  if (!world.can_move()) return {};
  world.end_faults();
  const int from = world.owner();
  if (!world.start_move(from)) return "the next move cannot even begin";
  const std::string error = run_until_settled(world, pick);
  if (!error.empty()) return "next move: " + error;
  return world.owner() == 1 - from ? "" : "the next move did not succeed";
}

struct Single {
  MoveMode mode;
  Schedule schedule;
  std::uint64_t at;
  Fault fault;
  int host;
  std::uint64_t duration;
};

std::string run_single(const Single& single, World& world) {
  const Pick pick = picker(single.schedule);
  if (!world.start_move(0)) return "the move cannot begin";
  for (std::uint64_t i = 0; i < single.at; ++i) {
    world.step(pick);
    if (!world.error().empty()) return world.error();
  }
  world.inject(single.fault, single.host, single.duration);
  const std::string error = run_until_settled(world, pick);
  return error.empty() ? next_move(world, pick) : error;
}

std::uint64_t steps_without_fault(const Machines& machines, MoveMode mode, Schedule schedule) {
  World world(mode, machines);
  const Pick pick = picker(schedule);
  world.start_move(0);
  for (std::uint64_t i = 0; i < kStepsMax; ++i) {
    world.step(pick);
    if (world.settled()) return i;
  }
  return kStepsMax;
}

// Empty when all is well; otherwise what, where, and the diagram.
std::string every_single_fault(const Machines& machines, std::uint64_t* runs = nullptr) {
  for (const MoveMode mode : {MoveMode::kLive, MoveMode::kCold})
    for (const Schedule schedule : {Schedule::kFirst, Schedule::kLast, Schedule::kRotate}) {
      const std::uint64_t steps = steps_without_fault(machines, mode, schedule);
      if (steps == kStepsMax) return "a move without any fault does not come to rest";
      for (std::uint64_t at = 0; at <= steps; ++at)
        for (int f = 0; f < kFaults; ++f)
          for (const int host : {0, 1})
            for (const std::uint64_t duration : kDurations) {
              const Single single{mode, schedule, at, static_cast<Fault>(f), host, duration};
              World world(mode, machines);
              if (runs != nullptr) ++*runs;
              if (run_single(single, world).empty()) continue;
              World again(mode, machines);
              again.trace(true);
              const std::string error = run_single(single, again);
              return fmt::format("{} {} at step {}, schedule {}, fault '{}' at host {} for {}\n{}", error,
                                 mode == MoveMode::kLive ? "live" : "cold", at, static_cast<int>(schedule),
                                 to_string(single.fault), host, duration, again.diagram(90));
            }
    }
  return {};
}

std::string run_random(std::uint64_t seed, World& world) {
  SeededRandom random(seed);
  const Pick pick = [&](std::size_t count) { return static_cast<std::size_t>(random.below(count)); };
  world.lossy(true);
  const std::uint64_t rate = 12 + random.below(60);
  const std::uint64_t steps = 60 + random.below(400);
  for (std::uint64_t i = 0; i < steps; ++i) {
    if (random.below(8) == 0) world.start_move(world.owner());
    if (random.below(rate) == 0)
      world.inject(static_cast<Fault>(random.below(kFaults)), static_cast<int>(random.below(2)),
                   1 + random.below(random.below(2) == 0 ? 20 : 600));
    world.step(pick);
    if (!world.error().empty()) return world.error();
  }
  world.lossy(false);
  const std::string error = run_until_settled(world, pick);
  return error.empty() ? next_move(world, pick) : error;
}

std::string random_faults(const Machines& machines, std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const MoveMode mode = seed % 4 == 0 ? MoveMode::kCold : MoveMode::kLive;
    World world(mode, machines);
    if (run_random(seed, world).empty()) continue;
    World again(mode, machines);
    again.trace(true);
    const std::string error = run_random(seed, again);
    return fmt::format("{}; seed {}\n{}", error, seed, again.diagram(400));
  }
  return {};
}

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace

TEST(CustodySim, AMoveWithoutFaultsEndsAtTheDestination) {
  for (const MoveMode mode : {MoveMode::kLive, MoveMode::kCold}) {
    World world(mode, {});
    world.trace(true);
    const Pick pick = picker(Schedule::kRotate);
    ASSERT_TRUE(world.start_move(0));
    EXPECT_EQ(run_until_settled(world, pick), "") << world.diagram(200);
    EXPECT_EQ(world.owner(), 1) << world.diagram(200);
  }
}

TEST(CustodySim, EverySingleFaultAtEveryStepIsSafe) {
  std::uint64_t runs = 0;
  const std::string error = every_single_fault({}, &runs);
  EXPECT_TRUE(error.empty()) << error;
  RecordProperty("runs", std::to_string(runs));
}

TEST(CustodySim, ManyFaultsAtRandomAreSafe) {
  const std::uint64_t first = number_from_environment("SEALIFT_SIM_SEED", 1);
  const std::uint64_t count = number_from_environment("SEALIFT_SIM_COUNT", 10'000);
  const std::string error = random_faults({}, first, count);
  EXPECT_TRUE(error.empty()) << error;
}

class BrokenMachine : public testing::TestWithParam<BrokenVariant> {};

TEST_P(BrokenMachine, IsFound) {
  const Machines& machines = GetParam().machines;
  std::string error = every_single_fault(machines);
  if (error.empty()) error = random_faults(machines, 1, 20'000);
  EXPECT_NE(error, "") << "the simulation has no teeth for this";
  fmt::print("{}\n", error.substr(0, error.find('\n')));
}

INSTANTIATE_TEST_SUITE_P(Variants, BrokenMachine, testing::ValuesIn(broken_variants()),
                         [](const auto& variant) { return variant.param.name; });

}  // namespace sealift::sim
