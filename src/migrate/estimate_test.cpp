#include "migrate/estimate.hpp"

#include <gtest/gtest.h>

namespace sealift::migrate {
namespace {

constexpr std::uint64_t kGiB = 1ULL << 30U;
constexpr std::uint64_t kMiB = 1ULL << 20U;

EstimateFacts guest(std::uint64_t memory, std::uint64_t writes, std::uint64_t link) {
  EstimateFacts facts;
  facts.live = true;
  facts.memory_bytes = memory;
  facts.memory_write_bytes_per_second = writes;
  facts.link_bytes_per_second = link;
  facts.ledger_ms = 5;
  return facts;
}

// The reference values are those of the published model (total time of 8 GiB at 9.36 Gb/s by L = write/link).
TEST(Estimate, FollowsTheGeometricModel) {
  const auto link = static_cast<std::uint64_t>(9.36e9 / 8);
  const std::pair<double, double> rows[] = {{0.0, 7.3}, {0.1, 8.1}, {0.25, 9.8}, {0.5, 14.5}};
  for (const auto& [ratio, seconds] : rows) {
    const Estimate e =
        estimate(guest(8 * kGiB, static_cast<std::uint64_t>(ratio * static_cast<double>(link)), link));
    EXPECT_TRUE(e.converges);
    EXPECT_NEAR(static_cast<double>(e.total_ms) / 1000 - 0.7, seconds, seconds * 0.1) << ratio;
    EXPECT_LT(e.pause_ms, 300U);
  }
}

TEST(Estimate, AnIdleGuestPausesForTheFixedPartsOnly) {
  const Estimate e = estimate(guest(2 * kGiB, 0, 500 * kMiB));
  EXPECT_NEAR(static_cast<double>(e.total_ms), 700 + 4096, 50);
  EXPECT_EQ(e.pause_ms, 35U);
  EXPECT_NE(e.text.find("pause about 35 ms"), std::string::npos) << e.text;
  EXPECT_TRUE(e.warning.empty());
}

TEST(Estimate, AWriterFasterThanTheLinkIsSaidToNeverEnd) {
  const Estimate e = estimate(guest(2 * kGiB, 120 * kMiB, 100 * kMiB));
  EXPECT_FALSE(e.converges);
  EXPECT_NE(e.warning.find("--max-downtime"), std::string::npos) << e.warning;
  EXPECT_NE(e.warning.find("--cold"), std::string::npos) << e.warning;
}

TEST(Estimate, AWriterOnAFastLinkConvergesWithinTheAllowedPause) {
  EstimateFacts facts = guest(100 * kMiB, 5 * kGiB, 4 * kGiB);  // all of it fits the pause
  facts.max_downtime_ms = 1000;
  EXPECT_TRUE(estimate(facts).converges);
}

TEST(Estimate, ColdMovesSendTheDisksAlone) {
  EstimateFacts facts = guest(4 * kGiB, 100 * kMiB, 100 * kMiB);
  facts.live = false;
  facts.disk_bytes = kGiB;
  const Estimate e = estimate(facts);
  EXPECT_NEAR(static_cast<double>(e.total_ms), 700 + 10'240, 50);
  EXPECT_EQ(e.pause_ms, 0U);
}

TEST(Estimate, AnUnknownLinkIsSaid) {
  const Estimate e = estimate(guest(kGiB, 0, 0));
  EXPECT_FALSE(e.known);
  EXPECT_NE(e.text.find("not known"), std::string::npos);
}

}  // namespace
}  // namespace sealift::migrate
