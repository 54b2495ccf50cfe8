#include "migrate/convergence.hpp"

#include <gtest/gtest.h>

namespace sealift::migrate {
namespace {

using namespace std::chrono_literals;
using Verdict = Convergence::Verdict;

constexpr std::uint64_t kMiB = 1U << 20U;

class ConvergenceTest : public ::testing::Test {
 protected:
  Verdict look(std::uint64_t pass, std::uint64_t left_mib, std::chrono::seconds at) {
    return judge_.look({pass, left_mib * kMiB, 50 * kMiB, 60 * kMiB}, limits_, began_ + at);
  }
  SteadyTime began_{};
  ConvergenceLimits limits_{.patience = 60s, .max_downtime_ms = 300};
  Convergence judge_{began_};
};

TEST_F(ConvergenceTest, ASlowLinkThatGetsOnWithTheFirstPassIsNeverStuck) {
  for (int second = 0; second < 1000; ++second)
    EXPECT_EQ(look(1, 100'000 - static_cast<std::uint64_t>(second), std::chrono::seconds(second)),
              Verdict::kGoOn);
}

TEST_F(ConvergenceTest, PassesThatShrinkAreProgress) {
  std::uint64_t left = 10'000;
  for (std::uint64_t pass = 1; pass < 20; ++pass, left = left * 8 / 10)
    EXPECT_EQ(look(pass, left, std::chrono::seconds(pass * 100)), Verdict::kGoOn);
}

TEST_F(ConvergenceTest, AWriterFasterThanTheLinkIsStuckAfterThreePassesAndGivenUpAfterThePatience) {
  EXPECT_EQ(look(1, 1000, 0s), Verdict::kGoOn);
  EXPECT_EQ(look(2, 500, 10s), Verdict::kGoOn);
  EXPECT_EQ(look(3, 490, 20s), Verdict::kGoOn);
  EXPECT_EQ(look(4, 510, 30s), Verdict::kGoOn);
  EXPECT_EQ(look(4, 100, 35s), Verdict::kGoOn);  // inside a pass the rest shrinks: no progress
  EXPECT_EQ(look(5, 500, 40s), Verdict::kStuck);
  EXPECT_EQ(look(6, 500, 69s), Verdict::kStuck);
  EXPECT_EQ(look(7, 500, 70s), Verdict::kGiveUp);
}

TEST_F(ConvergenceTest, AGuestThatCalmsDownIsForgiven) {
  look(1, 1000, 0s);
  for (std::uint64_t pass = 2; pass < 6; ++pass) look(pass, 500, std::chrono::seconds(pass * 10));
  EXPECT_EQ(judge_.passes_without_progress(), 3);
  EXPECT_EQ(look(6, 300, 59s), Verdict::kGoOn);
  EXPECT_EQ(look(7, 299, 100s), Verdict::kGoOn);
  EXPECT_EQ(judge_.passes_without_progress(), 1);
}

TEST(Convergence, AtTheEndOfAPassWhatWasWrittenSinceTheBitmapWasReadIsLeft) {
  EXPECT_EQ(left_if_stopped(0, 6 * kMiB, 15s), 90 * kMiB);
  EXPECT_EQ(left_if_stopped(3 * kMiB, 6 * kMiB, 500ms), 6 * kMiB);
  EXPECT_EQ(left_if_stopped(kMiB, 6 * kMiB, -1s), kMiB);
}

TEST(Convergence, LittleIsWhatTheDowntimeCarriesWithinBounds) {
  EXPECT_EQ(little_bytes(300, 0), kMiB / 2);
  EXPECT_EQ(little_bytes(1, 6 * kMiB), kMiB / 2);
  EXPECT_EQ(little_bytes(500, 5 * kMiB), 2 * kMiB);
  EXPECT_EQ(little_bytes(300, 1000 * kMiB), 4 * kMiB);
}

TEST_F(ConvergenceTest, WithoutPatienceItOnlyWarns) {
  limits_.patience = 0s;
  look(1, 1000, 0s);
  for (std::uint64_t pass = 2; pass < 6; ++pass) look(pass, 1000, std::chrono::seconds(pass));
  EXPECT_EQ(look(9, 1000, 80'000s), Verdict::kStuck);
}

TEST_F(ConvergenceTest, TheWordsSayWhatToDo) {
  const std::string words = stuck_words({4, 500 * kMiB, 50 * kMiB, 60 * kMiB}, limits_);
  for (const char* word :
       {"60 MiB/s", "50 MiB/s", "500 MiB", "10000 ms", "300 ms", "--max-downtime", "--cold"})
    EXPECT_NE(words.find(word), std::string::npos) << words;
}

}  // namespace
}  // namespace sealift::migrate
