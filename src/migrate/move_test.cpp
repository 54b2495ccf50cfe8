#include <fcntl.h>

#include "image/block.hpp"
#include "migrate/move_fixture.hpp"

// Moves between two hosts in one process: real disks, real sessions over loopback.

namespace sealift::migrate::testing {

namespace {

std::string two_disks(const file::Path& a, const file::Path& b) {
  return fmt::format(
      "[[disk]]\nsource = \"{}\"\nsource_format = \"raw\"\nformat = \"raw\"\n"
      "[[disk]]\nsource = \"{}\"\nsource_format = \"raw\"\nformat = \"qcow2\"\n",
      a.string(), b.string());
}

}  // namespace

TEST_F(MoveTest, ColdThereAndBackAgain) {
  const file::Path a = random_image("a.raw", 24 << 20);
  const file::Path b = random_image("b.raw", 9 << 20);
  create("web", two_disks(a, b));
  const ledger::MoveId there = migrate(*zurich_, *bern_, "web");
  const MoveProgress moved = wait_end(*zurich_, there);
  EXPECT_EQ(moved.outcome, custody::Outcome::kMoved) << json::dump_pretty(to_json(moved));
  EXPECT_EQ(wait_end(*bern_, there).outcome, custody::Outcome::kMoved);
  EXPECT_EQ(zurich_->host->find("web").error().code, Code::kNotFound);
  EXPECT_EQ(zurich_->host->quarantine_list().size(), 1U);
  EXPECT_TRUE(content(*bern_, "web", 0) == *file::read(a, 1U << 30U));
  EXPECT_TRUE(content(*bern_, "web", 1) == *file::read(b, 1U << 30U));
  const auto vm = shared_->state()->vm(bern_->host->find("web")->id);
  EXPECT_EQ(vm->owner.text(), "bern");
  EXPECT_EQ(vm->epoch.value, 1U);

  const ledger::MoveId back = migrate(*bern_, *zurich_, "web");
  const MoveProgress returned = wait_end(*bern_, back);
  EXPECT_EQ(returned.outcome, custody::Outcome::kMoved);
  EXPECT_EQ(wait_end(*zurich_, back).outcome, custody::Outcome::kMoved);
  EXPECT_TRUE(content(*zurich_, "web", 0) == *file::read(a, 1U << 30U));
  EXPECT_TRUE(content(*zurich_, "web", 1) == *file::read(b, 1U << 30U));
  EXPECT_EQ(shared_->state()->vm(vm->id)->epoch.value, 2U);
  // Zurich has both disks in quarantine: they are named, not sent.
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_GT(moved.disks[i].sent_bytes, 0U);
    EXPECT_EQ(moved.disks[i].had_bytes, 0U);
    EXPECT_EQ(returned.disks[i].sent_bytes, 0U);
    EXPECT_EQ(returned.disks[i].had_bytes, moved.disks[i].sent_bytes);
  }
  EXPECT_EQ(zurich_->host->quarantine_list().size(), 1U);

  // Bern's copy is altered, zurich's purged: the one costs a leaf, the other everything.
  const auto kept = bern_->host->newest_copy(vm->id);
  ASSERT_EQ(kept.size(), 2U);
  const auto raw = file::open(kept[0].path, O_RDWR);
  ASSERT_TRUE(raw);
  Bytes byte(1);
  ASSERT_OK(file::read_exact(raw->get(), byte, 100, kept[0].path));
  byte[0] ^= 1U;
  ASSERT_OK(file::write_exact(raw->get(), byte, 100, kept[0].path));
  const MoveProgress again = wait_end(*zurich_, migrate(*zurich_, *bern_, "web"));
  EXPECT_EQ(again.outcome, custody::Outcome::kMoved) << again.message;
  EXPECT_EQ(again.disks[0].sent_bytes, image::kLeafBytes);
  EXPECT_EQ(again.disks[1].sent_bytes, 0U);
  for (const auto& entry : zurich_->host->quarantine_list()) ASSERT_OK(zurich_->host->purge(entry.id));
  const MoveProgress last = wait_end(*bern_, migrate(*bern_, *zurich_, "web"));
  EXPECT_EQ(last.outcome, custody::Outcome::kMoved) << last.message;
  EXPECT_EQ(last.disks[0].sent_bytes, moved.disks[0].sent_bytes);
  EXPECT_EQ(last.disks[0].had_bytes, 0U);
  EXPECT_TRUE(content(*zurich_, "web", 0) == *file::read(a, 1U << 30U));
}

TEST_F(MoveTest, ColdAbortLeavesTheVmAndTheNextMoveSucceeds) {
  create("web", two_disks(random_image("a.raw", 24 << 20), random_image("b.raw", 9 << 20)));
  const ledger::MoveId move = migrate(*zurich_, *bern_, "web", 1 << 20);
  ASSERT_NE(move, ledger::MoveId{});
  EXPECT_EQ(zurich_->moves->unfinished(zurich_->host->find("web")->id).value(), move);
  ASSERT_OK(zurich_->moves->abort(move.hex()));
  EXPECT_EQ(wait_end(*zurich_, move).outcome, custody::Outcome::kAborted);
  EXPECT_TRUE(zurich_->host->find("web"));
  EXPECT_EQ(bern_->host->find("web").error().code, Code::kNotFound);
  for (const MoveProgress& other : bern_->moves->moves()) wait_end(*bern_, other.id);
  const ledger::MoveId next = migrate(*zurich_, *bern_, "web");
  EXPECT_EQ(wait_end(*zurich_, next).outcome, custody::Outcome::kMoved);
}

TEST_F(MoveTest, ColdGoesOnAfterARestartOfEitherDaemon) {
  const file::Path a = random_image("a.raw", 24 << 20);
  create("web", two_disks(a, random_image("b.raw", 9 << 20)));
  const ledger::MoveId move = migrate(*zurich_, *bern_, "web", 4 << 20);
  ASSERT_NE(move, ledger::MoveId{});
  for (Side* side : {bern_.get(), zurich_.get()}) {
    MoveProgress progress;
    while (progress.phase != "copying" && !progress.ended)
      progress = *zurich_->moves->wait_change(move.hex(), progress.version, Deadline::in(1s), Stop());
    side->down();
    side->up();
  }
  const MoveProgress moved = wait_end(*zurich_, move);
  ASSERT_EQ(moved.outcome, custody::Outcome::kMoved) << moved.message;
  EXPECT_EQ(wait_end(*bern_, move).outcome, custody::Outcome::kMoved);
  EXPECT_TRUE(content(*bern_, "web", 0) == *file::read(a, 1U << 30U));
}

TEST_F(MoveTest, ColdIsNotSealedWithoutAFreshAnswerOfTheQuorum) {
  create("web", two_disks(random_image("a.raw", 24 << 20), random_image("b.raw", 9 << 20)));
  const ledger::MoveId move = migrate(*zurich_, *bern_, "web", 4 << 20);
  ASSERT_NE(move, ledger::MoveId{});
  MoveProgress progress;
  while (progress.phase != "copying" && !progress.ended)
    progress = *zurich_->moves->wait_change(move.hex(), progress.version, Deadline::in(1s), Stop());
  zurich_->ledger.reachable = false;
  while (progress.phase == "copying" || progress.phase == "freezing")
    progress = *zurich_->moves->wait_change(move.hex(), progress.version, Deadline::in(1s), Stop());
  EXPECT_EQ(progress.phase, "cancelling");
  zurich_->ledger.reachable = true;
  EXPECT_EQ(wait_end(*zurich_, move).outcome, custody::Outcome::kAborted);
  EXPECT_TRUE(zurich_->host->find("web"));
}

TEST_F(MoveTest, ADiskMayHaveTheNameOfASideFile) {
  const file::Path kernel = random_image("kernel.bin", 1 << 20);
  const file::Path a = random_image("a.raw", 6 << 20);
  create("web", fmt::format("kernel = \"{}\"\n[[disk]]\nname = \"kernel\"\nsource = \"{}\"\n"
                            "source_format = \"raw\"\nformat = \"raw\"\n",
                            kernel.string(), a.string()));
  EXPECT_EQ(wait_end(*zurich_, migrate(*zurich_, *bern_, "web")).outcome, custody::Outcome::kMoved);
  EXPECT_TRUE(content(*bern_, "web", 0) == *file::read(a, 1U << 30U));
}

TEST_F(MoveTest, RefusesWithAllReasonsAtOnce) {
  create("web", "[[disk]]\nsize = \"4M\"\nformat = \"raw\"\n[[network]]\nname = \"default\"\n");
  MigrateRequest request;
  request.vm = "web";
  request.to = bern_->host_name();
  request.mode = MigrateRequest::Mode::kLive;
  request.map_networks = {{"default", "prod-10"}};
  request.map_pools = {{"default", "fast"}};
  const auto answer = zurich_->moves->migrate(request, soon(), Stop());
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_FALSE(answer->id);
  EXPECT_GE(answer->refused.size(), 3U);
  EXPECT_TRUE(zurich_->moves->moves().empty());
}

}  // namespace sealift::migrate::testing
