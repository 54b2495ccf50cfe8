// Real QEMU, real guests, a host over a state directory; the ledger is a small one in memory, or the real one
// of a host alone.

#include "host/host.hpp"

#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/database.hpp"
#include "hypervisor/qemu/machine.hpp"
#include "hypervisor/test_guest.hpp"

namespace sealift::host {
namespace {

using namespace std::chrono_literals;
using hypervisor::testing::ConsoleReader;

Deadline soon() {
  return Deadline::in(60s);
}

#define ASSERT_OK(expression) \
  do { \
    const auto assert_ok_result = (expression); \
    ASSERT_TRUE(assert_ok_result) << assert_ok_result.error().message; \
  } while (false)

class MemoryRecords final : public VmRecords {
 public:
  Status registered(const ledger::VmId& vm, const crypto::Digest&, Deadline, const Stop&) override {
    if (refuse) return fail(Code::kRefused, "no");
    known[vm.text()];
    return {};
  }
  Status retired(const ledger::VmId& vm, const std::string&, Deadline, const Stop&) override {
    known.erase(vm.text());
    return {};
  }
  Status may_start(const ledger::VmId& vm, Deadline, const Stop&) override {
    if (unreachable) return fail(Code::kUnavailable, "1 of 2 members answered");
    return known.contains(vm.text()) ? Status() : fail(Code::kNotFound, "unknown");
  }
  std::optional<crypto::Digest> rest_root(const ledger::VmId& vm) override { return known[vm.text()]; }
  Status started(const ledger::VmId& vm, const std::optional<crypto::Digest>& checked,
                 const std::string& reason) override {
    starts.emplace_back(checked, reason);
    known[vm.text()].reset();
    return {};
  }
  Status rested(const ledger::VmId& vm, const crypto::Digest& root, const std::string& reason) override {
    rests.push_back(reason);
    known[vm.text()] = root;
    return {};
  }
  Numbers numbers(const ledger::VmId&) override { return {}; }

  bool refuse = false;
  bool unreachable = false;
  std::map<std::string, std::optional<crypto::Digest>> known;
  std::vector<std::pair<std::optional<crypto::Digest>, std::string>> starts;
  std::vector<std::string> rests;
};

class HostTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = hypervisor::testing::guest_missing()) GTEST_SKIP() << *missing;
    std::filesystem::create_directories(state());
    files_ = hypervisor::testing::make_guest_files(directory_.path());
    hypervisor_ = open_hypervisor();
    ASSERT_TRUE(hypervisor_);
    host_ = open_host();
    ASSERT_TRUE(host_);
  }
  void TearDown() override {
    if (!host_) return;
    for (const VmView& vm : host_->list()) {
      if (vm.machine) static_cast<void>(vm.machine->kill(soon()));
    }
    for (const char digit : {'c', 'd'}) static_cast<void>(host_->destroy_incoming(std::string(64, digit)));
  }
  file::Path state() const { return directory_.path() / "s"; }
  std::unique_ptr<hypervisor::Hypervisor> open_hypervisor() {
    hypervisor::qemu::QemuSettings settings;
    settings.accelerator = hypervisor::Accelerator::kTcg;
    settings.scratch_directory = directory_.path() / "probe";
    auto opened = hypervisor::qemu::open_qemu(settings, soon(), Stop());
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  std::unique_ptr<Host> open_host() {
    HostOptions options;
    options.state_directory = state();
    options.config = *parse_config(config_, "sealift.toml", state());
    options.hypervisor = hypervisor_.get();
    options.records = &records_;
    options.clock = &clock_;
    auto opened = Host::open(std::move(options));
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  hypervisor::ParsedDefinition definition(const std::string& name, const std::string& more) {
    const std::string toml = fmt::format(
        "name = \"{}\"\nmemory = \"96M\"\nkernel = \"{}\"\ninitrd = \"{}\"\ncmdline = \"{}\"\n{}", name,
        files_.kernel.string(), files_.initrd.string(), hypervisor::testing::guest_cmdline(), more);
    auto parsed = hypervisor::parse_definition(toml, directory_.path() / "vm.toml", system_random());
    EXPECT_TRUE(parsed) << parsed.error().message;
    return *parsed;
  }
  Status create(const std::string& name,
                const std::string& more = "[[disk]]\nsize = \"16M\"\nformat = \"raw\"\n") {
    const auto made = host_->create(definition(name, more), soon(), Stop());
    if (!made) return std::unexpected(made.error());
    return {};
  }
  Status start(const std::string& name, const StartOptions& options = {}) {
    const auto started = host_->start(name, options, soon(), Stop());
    if (!started) return std::unexpected(started.error());
    return {};
  }
  // Started, and its guest has counted to 3.
  void start_and_count(const std::string& name) {
    ASSERT_OK(start(name));
    ConsoleReader console(host_->find(name)->machine->console_socket());
    EXPECT_NE(console.read_until("COUNT 3").find("COUNT 3"), std::string::npos);
  }
  // Until it is off and nothing goes on any more.
  void wait_off(const std::string& name) {
    const Deadline deadline = soon();
    while (!deadline.passed()) {
      const auto vm = host_->find(name);
      if (vm && vm->state == VmState::kOff && !vm->machine) return;
      Stop().sleep(10ms);
    }
    FAIL() << name << " is not off";
  }

  hypervisor::testing::TestDirectory directory_;
  hypervisor::testing::GuestFiles files_;
  ManualClock clock_;
  MemoryRecords records_;
  std::string config_;
  std::unique_ptr<hypervisor::Hypervisor> hypervisor_;
  std::unique_ptr<Host> host_;
};

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
  host_->shut_down_guests(Stop());
  EXPECT_EQ(host_->find("first")->state, VmState::kOff);
  EXPECT_EQ(host_->find("second")->state, VmState::kOff);
}

IncomingRequest request_of(const VmView& vm) {
  IncomingRequest request;
  request.id = *ledger::VmId::parse("6f1c6f7e-0000-4000-8000-000000000001");
  request.from = "zurich";
  request.definition = vm.definition;
  request.definition.name = "guest";
  for (const auto& disk : vm.definition.disks) {
    request.formats.push_back(disk.format);
    request.allocated_bytes.push_back(1U << 20);
  }
  return request;
}

TEST_F(HostTest, AnIncomingVmIsAdoptedWithItsProcess) {
  ASSERT_OK(create("template"));
  const VmView model = *host_->find("template");
  const IncomingRequest request = request_of(model);
  const std::string move(64, 'c');
  EXPECT_TRUE(host_->check_incoming(request).refused.empty());
  const auto place = host_->make_incoming(move, request);
  ASSERT_OK(place);
  EXPECT_EQ(host_->make_incoming(move, request)->directory, place->directory);
  std::filesystem::copy_file(model.placement.disks[0], place->placement.disks[0]);
  for (const char* name : {"kernel", "initrd"})
    std::filesystem::copy_file(model.directory / name, place->directory / name);
  ProcessName process;
  {
    const auto machine = host_->launch_incoming(move, soon());
    ASSERT_OK(machine);
    process = (*machine)->process();
    EXPECT_EQ((*machine)->status(soon())->state, hypervisor::RunState::kIncoming);
  }
  EXPECT_EQ(host_->find("guest").error().code, Code::kNotFound);
  EXPECT_EQ(host_->list().size(), 1U);
  host_.reset();
  host_ = open_host();  // the next daemon finds it under its move
  ASSERT_TRUE(host_);
  ASSERT_OK(host_->incoming_machine(move));
  EXPECT_EQ((*host_->incoming_machine(move))->process(), process);
  ASSERT_OK(host_->adopt_incoming(move));
  ASSERT_OK(host_->adopt_incoming(move));
  EXPECT_EQ(host_->find("guest")->held_by, move);
  EXPECT_EQ(host_->find("guest")->machine->process(), process);
  ASSERT_OK(host_->find("guest")->machine->kill(soon()));
  host_->release(request.id, move);
  wait_off("guest");
  records_.known[request.id.text()];
  start_and_count("guest");
  ASSERT_OK(host_->kill("guest", soon()));
}

TEST_F(HostTest, ADestroyedIncomingVmLeavesNothing) {
  ASSERT_OK(create("template"));
  const VmView model = *host_->find("template");
  const IncomingRequest request = request_of(model);
  const std::string move(64, 'd');
  const auto place = host_->make_incoming(move, request);
  ASSERT_OK(place);
  std::filesystem::copy_file(model.placement.disks[0], place->placement.disks[0]);
  for (const char* name : {"kernel", "initrd"})
    std::filesystem::copy_file(model.directory / name, place->directory / name);
  const auto machine = host_->launch_incoming(move, soon());
  ASSERT_OK(machine);
  ASSERT_OK(host_->destroy_incoming(move));
  ASSERT_OK(host_->destroy_incoming(move));
  EXPECT_EQ((*machine)->process_state(), ProcessState::kGone);
  EXPECT_FALSE(std::filesystem::exists(place->directory));
  EXPECT_FALSE(std::filesystem::exists(place->placement.disks[0].parent_path()));
  EXPECT_EQ(host_->incoming(move).error().code, Code::kNotFound);
  // Adopted and given back, disks kept.
  ASSERT_OK(host_->make_incoming(move, request));
  std::filesystem::copy_file(model.placement.disks[0], place->placement.disks[0]);
  ASSERT_OK(host_->adopt_incoming(move));
  ASSERT_OK(host_->quarantine_incoming(move, "recovered elsewhere"));
  EXPECT_EQ(host_->quarantine_list().size(), 1U);
  EXPECT_EQ(host_->find("guest").error().code, Code::kNotFound);
}

TEST_F(HostTest, IncomingIsRefusedWithEveryReason) {
  config_ = "[accept]\nfrom = [\"bern\"]\nmemory = \"64M\"\ndisk = \"8M\"\nmoves = 0\n";
  host_ = open_host();
  ASSERT_OK(create("guest"));
  IncomingRequest request = request_of(*host_->find("guest"));
  request.definition.machine = "pc-q35-99.0";
  request.definition.networks = {{.name = "prod", .mac = "52:54:00:00:00:01"}};
  request.definition.disks[0].pool = "fast";
  const auto verdict = host_->check_incoming(request);
  EXPECT_EQ(verdict.refused.size(), 8U) << fmt::format("{}", fmt::join(verdict.refused, "\n"));
  request.map_networks = {{"prod", "default"}};
  request.map_pools = {{"fast", "default"}};
  const auto mapped = host_->check_incoming(request);
  EXPECT_EQ(mapped.refused.size(), 6U) << fmt::format("{}", fmt::join(mapped.refused, "\n"));
  EXPECT_EQ(mapped.mapped.size(), 2U);
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

}  // namespace
}  // namespace sealift::host
