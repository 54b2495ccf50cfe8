// The life of VMs on a host: real QEMU, real guests.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/database.hpp"
#include "host/host_fixture.hpp"

namespace sealift::host::testing {
namespace {

TEST_F(HostTest, CreatesStartsStopsAndRemoves) {
  ASSERT_OK(create("web",
                   "[[disk]]\nsize = \"16M\"\n[[disk]]\nsize = \"4M\"\nformat = \"raw\"\n[[network]]\nname = "
                   "\"default\"\n"));
  EXPECT_EQ(host_->find("web")->state, VmState::kOff);
  EXPECT_EQ(create("web").error().code, Code::kConflict);
  EXPECT_EQ(host_->stop("web", soon(), Stop()).error().code, Code::kConflict);
  start_and_count("web");
  EXPECT_EQ(host_->find("web")->state, VmState::kRunning);
  EXPECT_EQ(start("web").error().code, Code::kConflict);
  EXPECT_EQ(host_->remove("web", soon(), Stop()).error().code, Code::kConflict);
  ASSERT_OK(host_->stop("web", soon(), Stop()));
  EXPECT_EQ(host_->find("web")->state, VmState::kOff);
  EXPECT_EQ(records_.starts.size(), 1U);
  const VmView vm = *host_->find("web");
  ASSERT_OK(host_->remove("web", soon(), Stop()));
  EXPECT_EQ(host_->find("web").error().code, Code::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(vm.placement.disks[0]));
  const auto kept = host_->quarantine_list();
  ASSERT_EQ(kept.size(), 1U);
  struct stat info{};
  ASSERT_EQ(::stat((kept[0].paths[1] / "vda.qcow2").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0400U);
  EXPECT_EQ(host_->purge_expired(), 0U);
  clock_.advance(31 * 24h);
  EXPECT_EQ(host_->purge_expired(), 1U);
  EXPECT_FALSE(std::filesystem::exists(kept[0].paths[1]));
  EXPECT_TRUE(host_->quarantine_list().empty());
}

TEST_F(HostTest, AFailedCreationLeavesNothing) {
  records_.refuse = true;
  EXPECT_EQ(create("a").error().code, Code::kRefused);
  records_.refuse = false;
  EXPECT_EQ(create("b", "[[disk]]\nsource = \"missing.qcow2\"\n").error().code, Code::kNotFound);
  EXPECT_EQ(create("c", "[[disk]]\nsize = \"4M\"\npool = \"fast\"\n").error().code, Code::kNotFound);
  EXPECT_EQ(create("d", "[[network]]\nname = \"prod\"\n").error().code, Code::kNotFound);
  EXPECT_TRUE(host_->list().empty());
  EXPECT_TRUE(std::filesystem::is_empty(state() / "vms"));
  EXPECT_TRUE(std::filesystem::is_empty(state() / "pools" / "default"));
}

TEST_F(HostTest, ImportsAnImageAndGrowsIt) {
  const auto made = process::run(
      {"qemu-img", "create", "-q", "-f", "qcow2", (directory_.path() / "a.qcow2").string(), "8M"}, 4096,
      soon(), Stop());
  ASSERT_TRUE(made && made->exit.code == 0);
  ASSERT_OK(create(
      "grown",
      "[[disk]]\nsource = \"a.qcow2\"\nsize = \"16M\"\nformat = \"raw\"\nsource_format = \"qcow2\"\n"));
  EXPECT_EQ(std::filesystem::file_size(host_->find("grown")->placement.disks[0]), 16U << 20);
  ASSERT_OK(create("same", "[[disk]]\nsource = \"a.qcow2\"\n"));
  EXPECT_EQ(host_->find("same")->definition.disks[0].size_bytes, 8U << 20);
  EXPECT_FALSE(create("small", "[[disk]]\nsource = \"a.qcow2\"\nsize = \"4M\"\n"));
  const auto child = process::run({"qemu-img", "create", "-q", "-f", "qcow2", "-b", "a.qcow2", "-F", "qcow2",
                                   (directory_.path() / "b.qcow2").string()},
                                  4096, soon(), Stop());
  ASSERT_TRUE(child && child->exit.code == 0);
  EXPECT_EQ(create("child", "[[disk]]\nsource = \"b.qcow2\"\n").error().code, Code::kRefused);
}

TEST_F(HostTest, AnUnreachableLedgerRefusesTheStartUnlessTheOperatorInsists) {
  ASSERT_OK(create("web"));
  records_.unreachable = true;
  const Status refused = start("web");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_NE(refused.error().message.find("--offline"), std::string::npos);
  ASSERT_OK(start("web", {.accept_changes = {}, .offline = "both others are off"}));
  EXPECT_EQ(records_.starts.back().second, "both others are off");
}

TEST_F(HostTest, AGuestThatPowersOffOrIsKilledIsSeen) {
  ASSERT_OK(create("web"));
  start_and_count("web");
  ASSERT_OK(host_->kill("web", soon()));
  EXPECT_EQ(host_->find("web")->state, VmState::kOff);
  start_and_count("web");
  ASSERT_OK(host_->find("web")->machine->kill(soon()));  // QEMU dies by itself
  wait_off("web");
  start_and_count("web");
}

TEST_F(HostTest, ADaemonThatWasKilledFindsItsVmsAgain) {
  ASSERT_OK(create("runs"));
  ASSERT_OK(create("frozen"));
  ASSERT_OK(create("unjournaled"));
  const auto id = host_->find("unjournaled")->id;
  host_.reset();
  std::array<int, 2> fds{};
  ASSERT_EQ(::pipe(fds.data()), 0);
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    hypervisor_ = open_hypervisor();
    host_ = open_host();
    bool fine = true;
    for (const char* name : {"runs", "frozen", "unjournaled"}) fine = fine && start(name).has_value();
    fine = fine && host_->find("frozen")->machine->freeze(soon()).has_value();
    // As if the daemon had ended between start and journal.
    auto inventory = Database::open(state() / "journal.db", "", 1);
    fine = fine &&
           inventory->execute(fmt::format("UPDATE places SET pid=NULL WHERE vm='{}'", id.text())).has_value();
    const char word = fine ? 'y' : 'n';
    if (::write(fds[1], &word, 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char word = 0;
  ASSERT_EQ(::read(fds[0], &word, 1), 1);
  ASSERT_EQ(word, 'y');
  ASSERT_EQ(::kill(daemon, SIGKILL), 0);
  ASSERT_EQ(::waitpid(daemon, nullptr, 0), daemon);
  ::close(fds[0]);
  ::close(fds[1]);

  host_ = open_host();
  ASSERT_TRUE(host_);
  EXPECT_EQ(host_->find("runs")->state, VmState::kRunning);
  EXPECT_EQ(host_->find("frozen")->state, VmState::kFrozen);
  EXPECT_EQ(host_->find("unjournaled")->state, VmState::kRunning);
  EXPECT_EQ(start("unjournaled").error().code, Code::kConflict);
  ASSERT_OK(host_->find("frozen")->machine->thaw(soon()));
  EXPECT_EQ(host_->find("frozen")->state, VmState::kRunning);
  for (const char* name : {"runs", "frozen", "unjournaled"}) ASSERT_OK(host_->kill(name, soon()));
}

TEST_F(HostTest, ALockedPlaceIsNeverStartedTwice) {
  ASSERT_OK(create("web"));
  const auto lock = file::lock(host_->find("web")->directory / "lock");
  ASSERT_TRUE(lock);
  const Status refused = start("web");
  EXPECT_EQ(refused.error().code, Code::kConflict) << refused.error().message;
}

TEST_F(HostTest, AHeldVmIsTheMoversAlone) {
  ASSERT_OK(create("web"));
  const auto id = host_->find("web")->id;
  const std::string move(64, 'a');
  ASSERT_OK(host_->hold(id, move));
  ASSERT_OK(host_->hold(id, move));
  EXPECT_EQ(host_->hold(id, std::string(64, 'b')).error().code, Code::kConflict);
  EXPECT_NE(start("web").error().message.find("sealift moves abort aaaaaaaa"), std::string::npos);
  EXPECT_EQ(host_->remove("web", soon(), Stop()).error().code, Code::kConflict);
  const auto machine = host_->start_held(id, soon());
  ASSERT_OK(machine);
  EXPECT_EQ(host_->quarantine(id, move, "moved to bern").error().code, Code::kConflict);
  ASSERT_OK((*machine)->kill(soon()));
  ASSERT_OK(host_->quarantine(id, move, "moved to bern"));
  ASSERT_OK(host_->quarantine(id, move, "moved to bern"));
  EXPECT_EQ(host_->find("web").error().code, Code::kNotFound);
  ASSERT_OK(host_->purge("aaaa"));
  EXPECT_EQ(host_->purge("aaaa").error().code, Code::kNotFound);
}

TEST_F(HostTest, AFencedVmIsStoppedAndFrozen) {
  ASSERT_OK(create("web"));
  start_and_count("web");
  ASSERT_OK(host_->fence(host_->find("web")->id, "expelled: bern owns it since block 12"));
  const VmView vm = *host_->find("web");
  EXPECT_EQ(vm.state, VmState::kFrozen);
  EXPECT_NE(vm.note.find("bern owns it"), std::string::npos);
  ASSERT_OK(vm.machine->thaw(soon()));
  EXPECT_FALSE(vm.machine->status(soon())->running);
}

TEST_F(HostTest, AutostartKeepsItsOrderAndSkipsTheHeld) {
  ASSERT_OK(create("second", "autostart = true\nautostart_order = 2\n"));
  ASSERT_OK(create("first", "autostart = true\nautostart_order = 1\n"));
  ASSERT_OK(create("held", "autostart = true\n"));
  ASSERT_OK(create("never"));
  ASSERT_OK(host_->hold(host_->find("held")->id, std::string(64, 'a')));
  host_->autostart(Stop());
  EXPECT_TRUE(host_->find("first")->machine && host_->find("second")->machine);
  EXPECT_FALSE(host_->find("held")->machine || host_->find("never")->machine);
  EXPECT_LT(host_->find("first")->machine->process().start_ticks,
            host_->find("second")->machine->process().start_ticks);
  ConsoleReader first(host_->find("first")->machine->console_socket());
  ConsoleReader second(host_->find("second")->machine->console_socket());
  first.read_until("COUNT 3");
  second.read_until("COUNT 3");
  host_->shut_down_guests({}, Stop());
  EXPECT_EQ(host_->find("first")->state, VmState::kOff);
  EXPECT_EQ(host_->find("second")->state, VmState::kOff);
}

TEST_F(HostTest, ASealedDiskThatWasAlteredIsRefusedWithItsLeaves) {
  for (const std::string format : {"raw", "qcow2"}) {
    const std::string name = "sealed-" + format;
    ASSERT_OK(create(
        name, fmt::format("at_rest = \"sealed\"\n[[disk]]\nsize = \"16M\"\nformat = \"{}\"\n", format)));
    start_and_count(name);
    ASSERT_OK(host_->stop(name, soon(), Stop()));
    const VmView vm = *host_->find(name);
    const auto root = records_.known[vm.id.text()];
    ASSERT_TRUE(root) << vm.note;
    start_and_count(name);
    EXPECT_EQ(records_.starts.back().first, root);
    ASSERT_OK(host_->stop(name, soon(), Stop()));

    const auto altered = process::run(
        {"qemu-io", "-f", format, "-c", "write -P 0x5a 1048576 512", vm.placement.disks[0].string()}, 4096,
        soon(), Stop());
    ASSERT_TRUE(altered && altered->exit.code == 0) << altered->text;
    const Status refused = start(name);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kCorrupt);
    EXPECT_NE(refused.error().message.find("disk vda: 1 leaves of 256 KiB differ (4)"), std::string::npos)
        << refused.error().message;
    EXPECT_EQ(host_->find(name)->state, VmState::kOff);
    ASSERT_OK(start(name, {.accept_changes = "repaired by hand", .offline = {}}));
    EXPECT_EQ(records_.rests.back(), "repaired by hand");
    ASSERT_OK(host_->kill(name, soon()));
  }
}

// What is written past QEMU is in no bitmap: that only changed leaves are read at the stop shows in that it
// is caught at the next start. After a kill there is no bitmap, and the whole disk is read.
TEST_F(HostTest, AStopReadsTheLeavesAloneThatItsGuestWrote) {
  ASSERT_OK(create("sealed", "at_rest = \"sealed\"\n[[disk]]\nsize = \"16M\"\nformat = \"raw\"\n"));
  start_and_count("sealed");
  ASSERT_OK(host_->stop("sealed", soon(), Stop()));  // the first one reads everything
  const VmView vm = *host_->find("sealed");
  const auto root = records_.known[vm.id.text()];
  ASSERT_TRUE(root) << vm.note;
  const auto poke = [&](char letter) {
    const auto fd = file::open(vm.placement.disks[0], O_WRONLY);
    ASSERT_TRUE(fd);
    const Bytes bytes(512, static_cast<std::uint8_t>(letter));
    ASSERT_OK(file::write_exact(fd->get(), bytes, 5 * 262144, vm.placement.disks[0]));
  };
  start_and_count("sealed");
  poke('x');
  ASSERT_OK(host_->stop("sealed", soon(), Stop()));
  EXPECT_EQ(records_.known[vm.id.text()], root);
  const Status refused = start("sealed");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("disk vda: 1 leaves of 256 KiB differ (5)"), std::string::npos)
      << refused.error().message;

  ASSERT_OK(start("sealed", {.accept_changes = "test", .offline = {}}));
  poke('y');
  ASSERT_OK(host_->kill("sealed", soon()));
  ASSERT_TRUE(records_.known[vm.id.text()]);
  EXPECT_NE(records_.known[vm.id.text()], root);
  ASSERT_OK(start("sealed"));
  ASSERT_OK(host_->kill("sealed", soon()));
}

// A guest that powers off by itself, and a daemon that was away meanwhile.
TEST_F(HostTest, ASealedGuestThatPoweredOffWithoutTheDaemonIsRecordedWhenItIsBack) {
  ASSERT_OK(create("sealed", "at_rest = \"sealed\"\n[[disk]]\nsize = \"16M\"\nformat = \"qcow2\"\n"));
  start_and_count("sealed");
  ASSERT_OK(host_->stop("sealed", soon(), Stop()));
  const auto root = records_.known[host_->find("sealed")->id.text()];
  start_and_count("sealed");
  auto machine = host_->find("sealed")->machine;
  host_.reset();
  ASSERT_OK(machine->powerdown(soon()));
  for (const Deadline deadline = soon(); !deadline.passed(); Stop().sleep(20ms))
    if (const auto status = machine->status(soon());
        status && status->state == hypervisor::RunState::kShutdown)
      break;
  machine.reset();  // and its connection to the monitor, which has room for one
  host_ = open_host();
  wait_off("sealed");
  EXPECT_EQ(records_.known[host_->find("sealed")->id.text()], root);
}

}  // namespace
}  // namespace sealift::host::testing
