#include "migrate/progress.hpp"

#include <gtest/gtest.h>

namespace sealift::migrate {
namespace {

// The journal keeps an ended move's report as JSON: a daemon's start reads every one of them.
TEST(Progress, AReportComesBackFromTheJournalAsItWas) {
  MoveProgress progress;
  progress.vm_name = "web-01";
  progress.ended = true;
  progress.outcome = custody::Outcome::kMoved;
  progress.report = MoveReport{.total_ms = 1092,
                               .pause_ms = 41.5,
                               .pause_parts_ms = {{"compare", 1.25}, {"ledger", 16}, {"start", 10}},
                               .verified = {"vda: content root 5f0c", "memory: both ends agree"},
                               .source = "frozen copy ended; disks in quarantine",
                               .kept_until = "2026-12-24T09:00:00.000Z",
                               .receipt = "/var/lib/sealift/receipts/web-01-e1.receipt",
                               .hold = TrafficHold{2.5, {"lb-1"}, {"lb-2"}}};
  progress.disks = {
      {.name = "vda", .total_bytes = 80, .done_bytes = 80, .sent_bytes = 31, .had_bytes = 40, .round = 3}};
  const auto back = progress_from_json(to_json(progress));
  ASSERT_TRUE(back.report);
  ASSERT_EQ(back.disks.size(), 1U);
  EXPECT_EQ(back.disks[0].sent_bytes, 31U);
  EXPECT_EQ(back.disks[0].had_bytes, 40U);
  EXPECT_EQ(back.disks[0].round, 3U);
  EXPECT_EQ(back.report->total_ms, progress.report->total_ms);
  EXPECT_EQ(back.report->pause_ms, progress.report->pause_ms);
  EXPECT_EQ(back.report->pause_parts_ms, progress.report->pause_parts_ms);
  EXPECT_EQ(back.report->verified, progress.report->verified);
  EXPECT_EQ(back.report->kept_until, progress.report->kept_until);
  EXPECT_EQ(back.report->receipt, progress.report->receipt);
  ASSERT_TRUE(back.report->hold);
  EXPECT_EQ(back.report->hold->waited_ms, 2.5);
  EXPECT_EQ(back.report->hold->by, std::vector<std::string>{"lb-1"});
  EXPECT_EQ(back.report->hold->missing, std::vector<std::string>{"lb-2"});
}

}  // namespace
}  // namespace sealift::migrate
