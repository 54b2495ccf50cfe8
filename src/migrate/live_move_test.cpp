#include "migrate/move_fixture.hpp"

// Live moves of a real guest between two hosts in one process.

namespace sealift::migrate::testing {

namespace {

using hypervisor::testing::ConsoleReader;

class LiveMoveTest : public MoveTest {
 protected:
  void SetUp() override {
    MoveTest::SetUp();
    if (IsSkipped()) return;
    files_ = hypervisor::testing::make_guest_files(directory_.path());
  }
  std::string guest(const std::string& disks) const {
    return fmt::format("kernel = \"{}\"\ninitrd = \"{}\"\ncmdline = \"{}\"\n{}", files_.kernel.string(),
                       files_.initrd.string(), hypervisor::testing::guest_cmdline(), disks);
  }
  std::uint64_t count_at(Side& side, const std::string& vm, const std::string& marker = "COUNT") {
    const auto view = side.host->find(vm);
    EXPECT_TRUE(view && view->machine) << "no process";
    if (!view || !view->machine) return 0;
    ConsoleReader console(view->machine->console_socket());
    (void)console.read_until(marker);
    return hypervisor::testing::last_count(console.read_until("\n") + console.read_until("\n"));
  }
  void start(Side& side, const std::string& vm) {
    const auto started = side.host->start(vm, {}, soon(), Stop());
    ASSERT_TRUE(started) << started.error().message;
    ConsoleReader console(side.host->find(vm)->machine->console_socket());
    EXPECT_NE(console.read_until("COUNT 3").find("COUNT 3"), std::string::npos);
  }
  // Caught while it copies; tune() sets it free.
  ledger::MoveId copying() {
    const ledger::MoveId move = migrate(*zurich_, *bern_, "web", 2 << 20);
    wait_phase(*zurich_, move, "copying");
    return move;
  }
  void wait_phase(Side& side, const ledger::MoveId& move, const std::string& phase) {
    const Deadline deadline = soon();
    while (!deadline.passed()) {
      const auto progress = side.moves->find(move.hex());
      if (progress && progress->phase == phase) return;
      if (progress && progress->ended) break;
      Stop().sleep(2ms);
    }
    FAIL() << side.name << " never was " << phase;
  }
  void wait_all_ended(Side& side) {
    for (const MoveProgress& move : side.moves->moves()) (void)wait_end(side, move.id);
  }
  void expect_running(Side& side, const std::string& vm) {
    const auto view = side.host->find(vm);
    ASSERT_TRUE(view && view->machine);
    const auto status = view->machine->status(soon());
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_TRUE(status->running) << status->word;
  }

  hypervisor::testing::GuestFiles files_;
};

constexpr const char* kTwoDisks =
    "[[disk]]\nsize = \"16M\"\nformat = \"raw\"\n[[disk]]\nsize = \"16M\"\nformat = \"qcow2\"\n";

}  // namespace

TEST_F(LiveMoveTest, TheGuestGoesOnThereAndBackAgain) {
  create("web", guest(kTwoDisks));
  start(*zurich_, "web");
  const ledger::MoveId there = migrate(*zurich_, *bern_, "web");
  const MoveProgress moved = wait_end(*zurich_, there);
  ASSERT_EQ(moved.outcome, custody::Outcome::kMoved) << json::dump_pretty(to_json(moved));
  EXPECT_EQ(wait_end(*bern_, there).outcome, custody::Outcome::kMoved);
  expect_running(*bern_, "web");
  EXPECT_GT(count_at(*bern_, "web"), 3U);
  EXPECT_EQ(zurich_->host->find("web").error().code, Code::kNotFound);
  ASSERT_TRUE(moved.report.has_value());
  EXPECT_GT(moved.report->pause_ms, 0.0);

  const ledger::MoveId back = migrate(*bern_, *zurich_, "web");
  const MoveProgress returned = wait_end(*bern_, back);
  ASSERT_EQ(returned.outcome, custody::Outcome::kMoved) << returned.message;
  expect_running(*zurich_, "web");
}

TEST_F(LiveMoveTest, AnAbortWhileCopyingIsNotNoticedByTheGuest) {
  create("web", guest(kTwoDisks));
  start(*zurich_, "web");
  const ledger::MoveId move = copying();
  wait_phase(*bern_, move, "receiving");
  bern_->local->destroys_to_fail = 1'000'000;
  ASSERT_OK(zurich_->moves->abort(move.hex()));
  EXPECT_EQ(wait_end(*zurich_, move).outcome, custody::Outcome::kAborted);
  expect_running(*zurich_, "web");
  // It is not over at the destination before what it brought is erased, restart or not.
  wait_phase(*bern_, move, "erasing");
  bern_->down();
  bern_->up();
  EXPECT_EQ(wait_end(*bern_, move).outcome, custody::Outcome::kAborted);
  EXPECT_EQ(bern_->host->find("web").error().code, Code::kNotFound);
  EXPECT_EQ(wait_end(*zurich_, migrate(*zurich_, *bern_, "web")).outcome, custody::Outcome::kMoved);
  expect_running(*bern_, "web");
}

TEST_F(LiveMoveTest, ARestartOfEitherDaemonWhileCopyingLeavesTheGuestRunning) {
  create("web", guest(kTwoDisks));
  start(*zurich_, "web");
  for (Side* side : {zurich_.get(), bern_.get()}) {
    const ledger::MoveId move = copying();
    side->down();
    side->up();
    EXPECT_EQ(wait_end(*zurich_, move).outcome, custody::Outcome::kAborted);
    expect_running(*zurich_, "web");
    wait_all_ended(*bern_);
  }
  EXPECT_EQ(wait_end(*zurich_, migrate(*zurich_, *bern_, "web")).outcome, custody::Outcome::kMoved);
}

TEST_F(LiveMoveTest, WithoutAnAnswerAfterTheSealTheLedgersAbortGivesTheGuestBack) {
  create("web", guest(kTwoDisks));
  start(*zurich_, "web");
  const ledger::MoveId move = copying();
  bern_->ledger.reachable = false;  // its commit gets nowhere
  ASSERT_OK(zurich_->moves->tune(move.hex(), 0, std::nullopt));
  wait_phase(*zurich_, move, "sealed");
  EXPECT_EQ(wait_end(*zurich_, move).outcome, custody::Outcome::kAborted);
  expect_running(*zurich_, "web");
  // Silence is said aloud, at the side that still waits.
  const Deadline said = soon();
  while (!bern_->moves->find(move.hex())->unanswered_since && !said.passed()) Stop().sleep(20ms);
  EXPECT_FALSE(bern_->moves->find(move.hex())->ended);
  EXPECT_NE(bern_->moves->find(move.hex())->waiting.find("since 2"), std::string::npos);
  bern_->ledger.reachable = true;
  EXPECT_EQ(wait_end(*bern_, move).outcome, custody::Outcome::kAborted);
  EXPECT_FALSE(bern_->moves->find(move.hex())->unanswered_since);
  EXPECT_EQ(bern_->host->find("web").error().code, Code::kNotFound);
  EXPECT_EQ(wait_end(*zurich_, migrate(*zurich_, *bern_, "web")).outcome, custody::Outcome::kMoved);
}

TEST_F(LiveMoveTest, ASourceThatRestartsSealedKeepsItsGuestFrozenUntilTheLedgerAnswers) {
  create("web", guest(kTwoDisks));
  start(*zurich_, "web");
  const ledger::MoveId move = copying();
  bern_->ledger.reachable = false;
  ASSERT_OK(zurich_->moves->tune(move.hex(), 0, std::nullopt));
  wait_phase(*bern_, move, "committing");
  zurich_->ledger.reachable = false;
  zurich_->down();
  zurich_->up();
  wait_phase(*zurich_, move, "sealed");
  EXPECT_EQ(zurich_->host->find("web")->machine->process_state(), ProcessState::kStopped);
  bern_->ledger.reachable = true;  // the commit comes first
  EXPECT_EQ(wait_end(*bern_, move).outcome, custody::Outcome::kMoved);
  expect_running(*bern_, "web");
  EXPECT_EQ(zurich_->host->find("web")->machine->process_state(), ProcessState::kStopped);
  zurich_->ledger.reachable = true;
  EXPECT_EQ(wait_end(*zurich_, move).outcome, custody::Outcome::kMoved);
  EXPECT_EQ(zurich_->host->find("web").error().code, Code::kNotFound);
}

TEST_F(LiveMoveTest, NoGuestStartsBeforeTheInventoryHasIt) {
  create("web", guest(kTwoDisks));
  start(*zurich_, "web");
  bern_->local->adopts_to_fail = 1'000'000;
  const ledger::MoveId move = migrate(*zurich_, *bern_, "web");
  wait_phase(*bern_, move, "starting");
  const int before = bern_->local->adopts_to_fail;
  const Deadline tried_again = soon();
  while (bern_->local->adopts_to_fail > before - 2 && !tried_again.passed()) Stop().sleep(20ms);
  EXPECT_FALSE((*bern_->host->incoming_machine(move.hex()))->status(soon())->running);
  EXPECT_EQ(bern_->moves->find(move.hex())->phase, "starting");
  bern_->local->adopts_to_fail = 0;
  EXPECT_EQ(wait_end(*bern_, move).outcome, custody::Outcome::kMoved);
  EXPECT_EQ(wait_end(*zurich_, move).outcome, custody::Outcome::kMoved);
  expect_running(*bern_, "web");
  bern_->down();
  bern_->up();
  expect_running(*bern_, "web");
}

// What a SIGTERM does: the daemon goes, its guest does not stand still for it.
TEST_F(LiveMoveTest, ADaemonThatEndsBeforeTheSealLetsTheGuestGoOn) {
  create("web", guest(kTwoDisks));
  start(*zurich_, "web");
  const ledger::MoveId move = copying();
  const file::Path console = zurich_->host->find("web")->machine->console_socket();
  zurich_->ledger.reachable = false;  // no quorum, no seal: it waits in freezing
  ASSERT_OK(zurich_->moves->tune(move.hex(), 0, std::nullopt));
  wait_phase(*zurich_, move, "freezing");
  zurich_->down();
  ConsoleReader reader(console);  // nobody but QEMU is there
  (void)reader.read_until("COUNT ");
  EXPECT_NE(reader.read_until("COUNT ").find("COUNT"), std::string::npos);
  zurich_->ledger.reachable = true;
  zurich_->up();
  EXPECT_EQ(wait_end(*zurich_, move).outcome, custody::Outcome::kAborted);
  expect_running(*zurich_, "web");
  wait_all_ended(*bern_);
  EXPECT_EQ(wait_end(*zurich_, migrate(*zurich_, *bern_, "web")).outcome, custody::Outcome::kMoved);
}

TEST_F(LiveMoveTest, AnAbortIsAnsweredHonestlyInEachState) {
  create("web", guest(kTwoDisks));
  start(*zurich_, "web");
  for (const std::string phase : {"freezing", "sealed"}) {
    const ledger::MoveId move = copying();
    (phase == "freezing" ? zurich_ : bern_)->ledger.reachable = false;
    ASSERT_OK(zurich_->moves->tune(move.hex(), 0, std::nullopt));
    wait_phase(*zurich_, move, phase);
    const auto answer = zurich_->moves->abort(move.hex());
    ASSERT_TRUE(answer) << answer.error().message;
    const bool asked = answer->find("asked to abort") != std::string::npos;
    EXPECT_EQ(asked, phase == "sealed") << phase << ": " << *answer;
    // It waits for no ledger: only its own thaw and cont are on their way.
    const Deadline goes_on = soon();
    const auto runs = [&] { return zurich_->host->find("web")->machine->status(soon())->running; };
    while (!asked && !runs() && !goes_on.passed()) Stop().sleep(10ms);
    if (!asked) expect_running(*zurich_, "web");
    zurich_->ledger.reachable = true;
    EXPECT_EQ(wait_end(*zurich_, move).outcome, custody::Outcome::kAborted) << phase;
    bern_->ledger.reachable = true;
    wait_all_ended(*bern_);
    EXPECT_EQ(zurich_->moves->abort(move.hex()).error().code, Code::kRefused);
    expect_running(*zurich_, "web");
  }
}

TEST_F(LiveMoveTest, ADestinationWhoseQemuDiesAfterTheSealGivesTheVmBack) {
  create("web", guest(kTwoDisks));
  start(*zurich_, "web");
  const ledger::MoveId move = copying();
  bern_->ledger.reachable = false;
  ASSERT_OK(zurich_->moves->tune(move.hex(), 0, std::nullopt));
  wait_phase(*bern_, move, "committing");
  ASSERT_OK((*bern_->host->incoming_machine(move.hex()))->kill(soon()));
  bern_->ledger.reachable = true;
  EXPECT_EQ(wait_end(*bern_, move).outcome, custody::Outcome::kReturned);
  EXPECT_EQ(wait_end(*zurich_, move).outcome, custody::Outcome::kReturned);
  expect_running(*zurich_, "web");
  EXPECT_EQ(wait_end(*zurich_, migrate(*zurich_, *bern_, "web")).outcome, custody::Outcome::kMoved);
}

}  // namespace sealift::migrate::testing
