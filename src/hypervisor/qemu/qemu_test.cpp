// The life of machines: real QEMU, real guests.

#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hypervisor/qemu/qemu_fixture.hpp"

namespace sealift::hypervisor::qemu::fixture {
namespace {

TEST_F(Qemu, SaysWhatItCanDo) {
  const HypervisorFacts& facts = hypervisor_->facts();
  EXPECT_FALSE(facts.version.empty());
  const auto has = [](const std::vector<std::string>& list, std::string_view name) {
    return std::ranges::find(list, name) != list.end();
  };
  EXPECT_TRUE(has(facts.machines, VmDefinition().machine));
  EXPECT_FALSE(has(facts.machines, "q35"));
  EXPECT_TRUE(has(facts.cpu_models, VmDefinition().cpu));
  EXPECT_TRUE(has(facts.migration_capabilities, "switchover-ack"));
}

TEST_F(Qemu, BootsUnprivilegedAndPowersOff) {
  const TestVm vm = testing::make_test_vm(path(), "boot", {DiskFormat::kQcow2});
  const auto machine = start(vm);
  ASSERT_TRUE(machine);
  EXPECT_EQ(machine->status(soon())->state, RunState::kPaused);
  if (::geteuid() == 0) {
    struct stat info{};
    ASSERT_EQ(::stat(fmt::format("/proc/{}", machine->process().pid).c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, guest_user("")->value().first);
  }
  ConsoleReader console(machine->console_socket());
  std::uint64_t position = machine->event_position();
  ASSERT_OK(machine->cont(soon()));
  EXPECT_NE(console.read_until("GUEST-READY").find("GUEST-READY"), std::string::npos);
  console.read_until("COUNT 3");
  EXPECT_TRUE(machine->status(soon())->running);
  ASSERT_OK(machine->powerdown(soon()));
  EXPECT_NE(console.read_until("GUEST-POWEROFF").find("GUEST-POWEROFF"), std::string::npos);
  const auto ended = machine->wait_gone(soon(), Stop());
  ASSERT_TRUE(ended && *ended) << ended.error().message;
  EXPECT_EQ((*ended)->code, 0);
  bool shutdown_by_guest = false;
  while (const auto event = machine->next_event(position, soon(), Stop())) {
    shutdown_by_guest = shutdown_by_guest || (event->kind == EventKind::kShutdown && event->by_guest);
    if (event->kind == EventKind::kLost) break;
  }
  EXPECT_TRUE(shutdown_by_guest);
  EXPECT_NE(machine->status(soon()).error().message.find("has ended"), std::string::npos);
  EXPECT_TRUE(std::filesystem::file_size(vm.placement.log_directory / "serial.log") > 0);
}

TEST_F(Qemu, UefiBootsTheKernelToo) {
  TestVm vm = testing::make_test_vm(path(), "uefi", {});
  if (hypervisor_->facts().uefi_code_bytes == 0) GTEST_SKIP() << "no OVMF";
  vm.definition.firmware = Firmware::kUefi;
  vm.definition.memory_bytes = 192U << 20;
  std::filesystem::copy_file("/usr/share/OVMF/OVMF_VARS_4M.fd", vm.placement.directory / "vars.fd");
  const auto machine = start(vm);
  ASSERT_TRUE(machine);
  ConsoleReader console(machine->console_socket());
  ASSERT_OK(machine->cont(soon()));
  EXPECT_NE(console.read_until("COUNT 1").find("GUEST-READY"), std::string::npos);
}

TEST_F(Qemu, AFailedStartSaysQemusLastWords) {
  TestVm vm = testing::make_test_vm(path(), "bad", {DiskFormat::kQcow2});
  vm.definition.disks[0].format = DiskFormat::kRaw;
  vm.placement.disks[0] = path() / "bad" / "vda.img";
  vm.definition.disks[0].format = DiskFormat::kQcow2;
  ASSERT_OK(file::write_atomic(vm.placement.disks[0], "not an image"));
  const auto machine = hypervisor_->start(vm.definition, vm.placement, StartMode::kBoot, soon());
  ASSERT_FALSE(machine);
  EXPECT_NE(machine.error().message.find("qcow2"), std::string::npos) << machine.error().message;
  vm.placement.disks[0] = path() / "missing";
  EXPECT_EQ(hypervisor_->start(vm.definition, vm.placement, StartMode::kBoot, soon()).error().code,
            Code::kNotFound);
}

TEST_F(Qemu, AnUnreachableDirectoryIsNamed) {
  if (::geteuid() != 0) GTEST_SKIP() << "not root: QEMU runs as ourselves";
  std::filesystem::create_directories(path() / "closed");
  ASSERT_EQ(::chmod((path() / "closed").c_str(), 0700), 0);
  const TestVm vm = testing::make_test_vm(path() / "closed", "x", {});
  const auto machine = hypervisor_->start(vm.definition, vm.placement, StartMode::kBoot, soon());
  ASSERT_FALSE(machine);
  EXPECT_NE(machine.error().message.find((path() / "closed").string() + " has mode 0700"), std::string::npos)
      << machine.error().message;
}

// The daemon is killed; its VM goes on (or stays frozen) and the next daemon finds it.
void outlives_its_daemon(Qemu& test, Hypervisor& hypervisor, const QemuSettings& settings, const TestVm& vm,
                         bool frozen, std::vector<ProcessName>* started) {
  static_cast<void>(test);
  std::array<int, 2> fds{};
  ASSERT_EQ(::pipe(fds.data()), 0);
  const pid_t daemon = ::fork();
  ASSERT_GE(daemon, 0);
  if (daemon == 0) {
    const auto own = open_qemu(settings, soon(), Stop());
    auto machine = (*own)->start(vm.definition, vm.placement, StartMode::kBoot, soon());
    if (!machine) ::_exit(1);
    ConsoleReader console((*machine)->console_socket());
    if (!(*machine)->cont(soon())) ::_exit(1);
    console.read_until("COUNT 3");
    if (frozen && !(*machine)->freeze(soon())) ::_exit(1);
    const ProcessName name = (*machine)->process();
    if (::write(fds[1], &name, sizeof(name)) != sizeof(name)) ::_exit(1);
    while (true) ::pause();
  }
  ::close(fds[1]);
  ProcessName name;
  ASSERT_EQ(::read(fds[0], &name, sizeof(name)), static_cast<ssize_t>(sizeof(name)));
  ::close(fds[0]);
  started->push_back(name);
  ASSERT_EQ(::kill(daemon, SIGKILL), 0);
  ASSERT_EQ(::waitpid(daemon, nullptr, 0), daemon);

  const auto machine = hypervisor.adopt(vm.definition, vm.placement, name, soon());
  ASSERT_TRUE(machine) << machine.error().message;
  if (frozen) {
    EXPECT_EQ((*machine)->process_state(), ProcessState::kStopped);
    EXPECT_EQ((*machine)->status(soon()).error().code, Code::kUnavailable);
    ASSERT_OK((*machine)->thaw(soon()));
  }
  EXPECT_TRUE((*machine)->status(soon())->running);
  ConsoleReader console((*machine)->console_socket());
  EXPECT_GT(testing::last_count(console.read_until("COUNT 6")), 3U);
  ASSERT_OK((*machine)->kill(soon()));
  EXPECT_EQ((*machine)->process_state(), ProcessState::kGone);
  EXPECT_EQ(hypervisor.adopt(vm.definition, vm.placement, name, soon()).error().code, Code::kNotFound);
}

TEST_F(Qemu, ARunningGuestOutlivesItsKilledDaemon) {
  const TestVm vm = testing::make_test_vm(path(), "lives", {});
  outlives_its_daemon(*this, *hypervisor_, settings(), vm, false, &started_);
}

TEST_F(Qemu, AFrozenGuestStaysFrozenWhenItsDaemonIsKilled) {
  const TestVm vm = testing::make_test_vm(path(), "frozen", {});
  outlives_its_daemon(*this, *hypervisor_, settings(), vm, true, &started_);
}

TEST_F(Qemu, FreezeHasReadEveryEventBefore) {
  const TestVm vm = testing::make_test_vm(path(), "freeze", {});
  const auto machine = start(vm);
  ASSERT_TRUE(machine);
  ASSERT_OK(machine->cont(soon()));
  for (int round = 0; round < 5; ++round) {
    std::uint64_t position = machine->event_position();
    ASSERT_OK(machine->stop(soon()));
    ASSERT_OK(machine->cont(soon()));
    ASSERT_OK(machine->freeze(soon()));
    EXPECT_EQ(machine->process_state(), ProcessState::kStopped);
    EXPECT_EQ(machine->event_position(), position + 2);
    EXPECT_EQ(machine->next_event(position, soon(), Stop())->kind, EventKind::kStop);
    EXPECT_EQ(machine->next_event(position, soon(), Stop())->kind, EventKind::kResume);
    EXPECT_EQ(machine->status(Deadline::in(50ms)).error().code, Code::kTimeout);
    ASSERT_OK(machine->thaw(soon()));
    EXPECT_TRUE(machine->status(soon())->running);
  }
}

TEST_F(Qemu, TheProbeGuestRunsToItsEnd) {
  const auto runs = probe_guest_runs(settings(), Accelerator::kTcg, *guest_user(""), Stop());
  ASSERT_TRUE(runs) << runs.error().message;
  EXPECT_TRUE(*runs);
}

TEST_F(Qemu, TheAcceleratorIsProbedOnceInABoot) {
  if (::access("/dev/kvm", F_OK) != 0) GTEST_SKIP() << "no /dev/kvm: nothing to probe";
  QemuSettings probing = settings();
  probing.accelerator.reset();
  probing.probe_file = path() / "probe.json";
  const auto first = choose_accelerator(probing, *guest_user(""), Stop());
  ASSERT_TRUE(first) << first.error().message;
  if (!std::filesystem::exists(probing.probe_file)) {
    EXPECT_EQ(*first, Accelerator::kTcg);  // the processor's flags were answer enough
    const auto runs = probe_guest_runs(probing, Accelerator::kKvm, *guest_user(""), Stop());
    EXPECT_TRUE(runs && !*runs);  // and the long way comes to the same
    return;
  }
  probing.program = "/nonexistent";  // a second probe would fail
  const auto second = choose_accelerator(probing, *guest_user(""), Stop());
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(*first, *second);
}

// In a network namespace of its own: a bridge, a tap on it, a guest behind that. Exit code: the step that
// failed.
int bridged_guest(const QemuSettings& settings, TestVm vm) {
  if (::unshare(CLONE_NEWNET) != 0) return 77;
  const auto ip = [](std::vector<std::string> words) {
    words.insert(words.begin(), "ip");
    const auto output = process::run(words, 4096, soon(), Stop());
    return output && output->exit.code == 0 ? output->text : std::string("failed");
  };
  if (ip({"link", "add", "br0", "type", "bridge"}) == "failed") return 77;
  vm.definition.networks = {{.name = "prod", .mac = "52:54:00:00:00:01"}};
  vm.placement.networks = {BridgeNetwork{.bridge = "nobridge", .vlan = {}}};
  const auto hypervisor = open_qemu(settings, soon(), Stop());
  if (!hypervisor) return 1;
  auto machine = (*hypervisor)->start(vm.definition, vm.placement, StartMode::kBoot, soon());
  if (machine || machine.error().code != Code::kNotFound) return 2;
  vm.placement.networks = {BridgeNetwork{.bridge = "br0", .vlan = {}}};
  machine = (*hypervisor)->start(vm.definition, vm.placement, StartMode::kBoot, soon());
  if (!machine) fmt::print(stderr, "{}\n", machine.error().message);
  if (!machine) return 3;
  const bool on_bridge = ip({"-o", "link", "show", "master", "br0"}).find("sealift0") != std::string::npos;
  const bool ended = (*machine)->kill(soon()).has_value();
  const bool tap_gone = ip({"-o", "link", "show", "master", "br0"}).find("sealift0") == std::string::npos;
  return !on_bridge ? 4 : !ended ? 5 : !tap_gone ? 6 : 0;
}

TEST_F(Qemu, ABridgedGuestHasATapOnItsBridgeAsLongAsItLives) {
  if (::geteuid() != 0) GTEST_SKIP() << "not root: no network namespace";
  const TestVm vm = testing::make_test_vm(path(), "tap", {});
  const pid_t child = ::fork();
  if (child == 0) ::_exit(bridged_guest(settings(), vm));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no network namespaces or bridges here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace sealift::hypervisor::qemu::fixture
