// Two real QEMUs, a real session between them.

#include "migrate/relay/relay.hpp"

#include <gtest/gtest.h>

#include "hypervisor/qemu/qemu_hypervisor.hpp"
#include "hypervisor/test_guest.hpp"
#include "transport/test_pair.hpp"

namespace sealift::migrate {
namespace {

using namespace std::chrono_literals;
using hypervisor::EventKind;
using hypervisor::Machine;
using hypervisor::MigrationPhase;
using hypervisor::MigrationSide;
using hypervisor::StartMode;
using transport::Direction;

#define ASSERT_OK(expression) \
  do { \
    const auto& assert_ok_result = (expression); \
    ASSERT_TRUE(assert_ok_result) << assert_ok_result.error().message; \
  } while (false)

Deadline soon() {
  return Deadline::in(30s);
}

class Relay : public ::testing::Test {
 protected:
  static constexpr unsigned kChannels = 2;

  void SetUp() override {
    if (const auto missing = hypervisor::testing::guest_missing()) GTEST_SKIP() << *missing;
    hypervisor::qemu::QemuSettings settings;
    settings.accelerator = hypervisor::Accelerator::kTcg;
    settings.scratch_directory = directory_.path() / "scratch";
    auto opened = hypervisor::qemu::open_qemu(settings, soon(), Stop());
    ASSERT_TRUE(opened) << opened.error().message;
    hypervisor_ = std::move(*opened);
    user_ = hypervisor::qemu::guest_user("").value();
    ASSERT_NO_FATAL_FAILURE(pair_.connect());
    source_ = start("source", StartMode::kBoot);
    destination_ = start("destination", StartMode::kIncoming);
    ASSERT_TRUE(source_ && destination_);
    ASSERT_OK(source_->cont(soon()));
    hypervisor::testing::ConsoleReader(source_->console_socket()).read_until("COUNT 3");
    ASSERT_NO_FATAL_FAILURE(begin());
  }
  void TearDown() override {
    if (source_relay_) source_relay_->cut();
    if (destination_relay_) destination_relay_->cut();
    for (const ProcessName& process : started_) static_cast<void>(process::kill_hard(process, soon()));
    source_relay_.reset();
    destination_relay_.reset();
  }
  std::unique_ptr<Machine> start(const std::string& name, StartMode mode) {
    auto vm = hypervisor::testing::make_test_vm(directory_.path(), name, {});
    vm.placement.vm_id = "6f0c9a1e-5b1c-4d3a-9a59-8f9f2f6f8c11";  // multifd refuses another machine's
    auto machine = hypervisor_->start(vm.definition, vm.placement, mode, soon());
    EXPECT_TRUE(machine) << machine.error().message;
    if (machine) started_.push_back((*machine)->process());
    return machine ? std::move(*machine) : nullptr;
  }
  // From here on the memory flows, and QEMU waits for an acknowledgement that never comes.
  void begin() {
    ASSERT_OK(source_->prepare_migration(MigrationSide::kSource, kChannels, soon()));
    ASSERT_OK(destination_->prepare_migration(MigrationSide::kDestination, kChannels, soon()));
    const file::Path incoming = destination_->run_directory() / "incoming";
    ASSERT_OK(destination_->migrate_incoming(incoming, soon()));
    const file::Path outgoing = source_->run_directory() / "outgoing";
    auto there = DestinationRelay::open(*pair_.accepted, incoming, 1 + kChannels);
    ASSERT_OK(there);
    destination_relay_ = std::move(*there);
    auto here = SourceRelay::open(*pair_.initiator, outgoing, 1 + kChannels,
                                  user_ ? std::optional<uid_t>(user_->first) : std::nullopt);
    ASSERT_OK(here);
    source_relay_ = std::move(*here);
    position_ = source_->event_position();
    ASSERT_OK(source_->migrate_to(outgoing, soon()));
    while (true) {
      const auto event = source_->next_event(position_, soon(), Stop());
      ASSERT_OK(event);
      if (event->kind == EventKind::kMigrationPass && event->pass >= 3) break;
    }
    EXPECT_TRUE(source_relay_->acknowledged());
    EXPECT_TRUE(source_->status(soon())->running);
  }
  // Our own stop, device state, everything loaded there; SHUT is held here.
  void switch_over() {
    ASSERT_OK(source_->stop(soon()));
    while (true) {
      const auto event = source_->next_event(position_, soon(), Stop());
      ASSERT_OK(event);
      if (event->kind == EventKind::kMigration && event->phase == MigrationPhase::kPreSwitchover) break;
    }
    ASSERT_OK(source_->continue_switchover(soon()));
    const auto loaded = source_relay_->wait_loaded(soon(), Stop());
    ASSERT_OK(loaded);
    EXPECT_EQ(*loaded, 0U);
    ASSERT_OK(source_->freeze(soon()));
    ASSERT_OK(source_relay_->finish(soon(), Stop()));
    ASSERT_OK(destination_relay_->wait_drained(soon(), Stop()));
  }

  hypervisor::testing::TestDirectory directory_;
  transport::testing::Pair pair_;
  std::unique_ptr<hypervisor::Hypervisor> hypervisor_;
  std::optional<std::pair<uid_t, gid_t>> user_;
  std::unique_ptr<Machine> source_, destination_;
  std::unique_ptr<SourceRelay> source_relay_;
  std::unique_ptr<DestinationRelay> destination_relay_;
  std::uint64_t position_ = 0;
  std::vector<ProcessName> started_;
};

TEST_F(Relay, CarriesALiveGuestAndHoldsTheGate) {
  ASSERT_NO_FATAL_FAILURE(switch_over());
  for (unsigned channel = 0; channel <= kChannels; ++channel) {
    const auto id = static_cast<transport::StreamId>(kMainStream + channel);
    EXPECT_EQ(pair_.initiator->transcript(id, Direction::kSent),
              pair_.accepted->transcript(id, Direction::kReceived));
    EXPECT_NE(pair_.initiator->transcript(id, Direction::kSent), crypto::Sha256().finish());
  }
  EXPECT_EQ(process::state(source_->process()), ProcessState::kStopped);
  ASSERT_OK(destination_->cont(soon()));
  hypervisor::testing::ConsoleReader console(destination_->console_socket());
  const std::string first = console.read_until("COUNT");
  EXPECT_NE(console.read_until("COUNT").find("COUNT"), std::string::npos);
}

TEST_F(Relay, CutGuestStaysStoppedThenRunsOnAndMovesAgain) {
  ASSERT_NO_FATAL_FAILURE(switch_over());
  ASSERT_OK(source_->thaw(soon()));
  ASSERT_OK(source_->cancel_migration(soon()));
  source_relay_->cut();
  const auto end = source_->wait_migration_end(soon(), Stop());
  ASSERT_OK(end);
  EXPECT_TRUE(*end == MigrationPhase::kFailed || *end == MigrationPhase::kCancelled);
  EXPECT_FALSE(source_->status(soon())->running);
  ASSERT_OK(source_->cont(soon()));
  hypervisor::testing::ConsoleReader(source_->console_socket()).read_until("COUNT");
  EXPECT_TRUE(source_->status(soon())->running);
}

}  // namespace
}  // namespace sealift::migrate
