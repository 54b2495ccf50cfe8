// Disk rounds and migration between two local QEMU processes.

#include <sys/socket.h>
#include <sys/un.h>

#include "hypervisor/qemu/qemu_fixture.hpp"

namespace sealift::hypervisor::qemu::fixture {
namespace {

// The dirty part of a bitmap, in bytes, as an NBD client sees it.
std::uint64_t dirty_bytes(const file::Path& socket, const std::string& disk, const std::string& bitmap) {
  const std::string image =
      fmt::format("driver=nbd,export={},server.type=unix,server.path={},x-dirty-bitmap=qemu:dirty-bitmap:{}",
                  disk, socket.string(), bitmap);
  const auto map =
      process::run({"qemu-img", "map", "--image-opts", image, "--output=json"}, 1U << 20, soon(), Stop());
  EXPECT_TRUE(map && map->exit.code == 0) << map->text;
  std::uint64_t dirty = 0;
  const auto entries = json::parse(map->text, 1U << 20);
  EXPECT_TRUE(entries) << map->text;
  for (const Json& entry : *entries) {
    if (!entry.at("data").get<bool>())
      dirty += entry.at("length").get<std::uint64_t>();  // inverted by qemu-img
  }
  return dirty;
}

TEST_F(Qemu, DirtyBitmapsRotateAndAreExported) {
  const TestVm vm = testing::make_test_vm(path(), "rounds", {DiskFormat::kRaw, DiskFormat::kQcow2});
  const auto machine = start(vm);
  ASSERT_TRUE(machine);
  ConsoleReader console(machine->console_socket());
  ASSERT_OK(machine->cont(soon()));
  console.read_until("GUEST-READY");
  ASSERT_OK(machine->add_bitmap("b0", soon()));
  for (int round = 0; round < 3; ++round) {
    const std::string current = fmt::format("b{}", round);
    console.read_until("COUNT ");
    console.read_until("COUNT ");
    console.read_until("COUNT ");
    ASSERT_OK(machine->rotate_bitmap(current, fmt::format("b{}", round + 1), soon()));
    const auto socket = machine->export_disk("vda", current, soon());
    ASSERT_TRUE(socket) << socket.error().message;
    const std::uint64_t dirty = dirty_bytes(*socket, "vda", current);
    EXPECT_GT(dirty, 0U);
    EXPECT_LT(dirty, 16U << 20);
    EXPECT_EQ(dirty % 262144, 0U);
    const auto other = machine->export_disk("vdb", current, soon());
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_EQ(dirty_bytes(*other, "vdb", current), 0U);
    ASSERT_OK(machine->unexport_disk("vda", soon()));
    ASSERT_OK(machine->unexport_disk("vda", soon()));
    ASSERT_OK(machine->unexport_all(soon()));
    ASSERT_OK(machine->remove_bitmap(current, soon()));
    ASSERT_OK(machine->remove_bitmap(current, soon()));
  }
  EXPECT_EQ(machine->export_disk("vdz", {}, soon()).error().code, Code::kNotFound);
}

TEST_F(Qemu, BitmapsOfAnEarlierDaemonAreFoundByHowTheirNamesBegin) {
  const TestVm vm = testing::make_test_vm(path(), "left", {DiskFormat::kRaw, DiskFormat::kQcow2});
  const auto machine = start(vm);
  ASSERT_TRUE(machine);
  ASSERT_OK(machine->add_bitmap("sealift-aa-1", soon()));
  ASSERT_OK(machine->rotate_bitmap("sealift-aa-1", "sealift-aa-2", soon()));
  ASSERT_OK(machine->add_bitmap("backup", soon()));
  ASSERT_OK(machine->remove_bitmaps("sealift-", soon()));
  ASSERT_OK(machine->add_bitmap("sealift-aa-1", soon()));  // the names are free again
  EXPECT_FALSE(machine->add_bitmap("backup", soon()));
}

// The connection to the monitor breaks, QEMU lives: as when the daemon sent something that QEMU refused.
void lose_monitor(const file::Path& monitor) {
  for (int fd = 3; fd < 1024; ++fd) {
    sockaddr_un peer{};
    socklen_t size = sizeof(peer);
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 && peer.sun_family == AF_UNIX &&
        monitor.native() == peer.sun_path)
      ::shutdown(fd, SHUT_RDWR);
  }
}

TEST_F(Qemu, ALostMonitorIsConnectedAnewAndItsEventsGoOn) {
  const TestVm vm = testing::make_test_vm(path(), "again", {});
  const auto machine = start(vm);
  ASSERT_TRUE(machine);
  ASSERT_OK(machine->cont(soon()));
  std::uint64_t position = machine->event_position();
  lose_monitor(monitor_socket(machine->run_directory()));
  EXPECT_EQ(machine->next_event(position, soon(), Stop())->kind, EventKind::kLost);
  ASSERT_OK(machine->stop(soon()));
  EXPECT_FALSE(machine->status(soon())->running);
  EXPECT_EQ(machine->next_event(position, soon(), Stop())->kind, EventKind::kStop);
}

// One move over a direct socket, disks and UEFI variables copied while both ends stand still. The destination
// is left paused, the source's process is ended.
void move_plainly(Machine& source, const TestVm& from, Machine& destination, const TestVm& to) {
  ASSERT_OK(source.prepare_migration(MigrationSide::kSource, 2, soon()));
  ASSERT_OK(destination.prepare_migration(MigrationSide::kDestination, 2, soon()));
  EXPECT_EQ(destination.status(soon())->state, RunState::kIncoming);
  const file::Path socket = destination.run_directory() / "move";
  ASSERT_OK(destination.migrate_incoming(socket, soon()));
  const std::uint64_t position = source.event_position();
  ASSERT_OK(source.migrate_to(socket, soon()));
  wait_phase(source, position, MigrationPhase::kActive);
  ASSERT_OK(source.stop(soon()));
  wait_phase(source, position, MigrationPhase::kPreSwitchover);
  EXPECT_EQ(source.migration_status(soon())->phase, MigrationPhase::kPreSwitchover);
  for (std::size_t i = 0; i < from.placement.disks.size(); ++i) {
    std::filesystem::copy_file(from.placement.disks[i], to.placement.disks[i],
                               std::filesystem::copy_options::overwrite_existing);
  }
  ASSERT_OK(source.continue_switchover(soon()));
  const auto end = source.wait_migration_end(soon(), Stop());
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(*end, MigrationPhase::kCompleted);
  EXPECT_GT(source.migration_status(soon())->transferred_bytes, 1U << 20);
  EXPECT_EQ(*destination.wait_migration_end(soon(), Stop()), MigrationPhase::kCompleted);
  EXPECT_EQ(destination.status(soon())->state, RunState::kPaused);
  EXPECT_FALSE(source.status(soon())->running);
  ASSERT_OK(source.kill(soon()));
}

// Runs the guest that arrived; returns its count.
std::uint64_t run_and_count(Machine& machine) {
  ConsoleReader console(machine.console_socket());
  EXPECT_TRUE(machine.cont(soon()));
  EXPECT_TRUE(machine.announce(soon()));
  console.read_until("COUNT ");
  return std::strtoull(console.read_until("\n").c_str(), nullptr, 10);
}

TEST_F(Qemu, MigratesWithItsDisksAndOnFromWhereItArrived) {
  const TestVm first = testing::make_test_vm(path(), "first", {DiskFormat::kRaw, DiskFormat::kQcow2});
  const auto next = [&](const std::string& name) {
    TestVm vm = testing::make_test_vm(path(), name, {DiskFormat::kRaw, DiskFormat::kQcow2});
    vm.definition = first.definition;
    vm.placement.vm_id = first.placement.vm_id;
    return vm;
  };
  const auto a = start(first);
  ASSERT_TRUE(a);
  ConsoleReader console(a->console_socket());
  ASSERT_OK(a->cont(soon()));
  console.read_until("COUNT 5");
  const TestVm second = next("second");
  const auto b = start(second, StartMode::kIncoming);
  ASSERT_TRUE(b);
  move_plainly(*a, first, *b, second);
  const std::uint64_t at_b = run_and_count(*b);
  EXPECT_GE(at_b, 5U);
  const TestVm third = next("third");
  const auto c = start(third, StartMode::kIncoming);
  ASSERT_TRUE(c);
  move_plainly(*b, second, *c, third);
  EXPECT_GE(run_and_count(*c), at_b);
  const auto check = process::run({"qemu-img", "check", "-U", "-q", third.placement.disks[1].string()}, 4096,
                                  soon(), Stop());
  EXPECT_TRUE(check && check->exit.code == 0) << check->text;
}

TEST_F(Qemu, AUefiGuestMigratesAndItsVariablesArriveWithItsMemory) {
  if (hypervisor_->facts().uefi_code_bytes == 0) GTEST_SKIP() << "no OVMF";
  TestVm from = testing::make_test_vm(path(), "efi-from", {});
  from.definition.firmware = Firmware::kUefi;
  from.definition.memory_bytes = 192U << 20;
  TestVm to = testing::make_test_vm(path(), "efi-to", {});
  to.definition = from.definition;
  to.placement.vm_id = from.placement.vm_id;
  for (const TestVm* vm : {&from, &to})
    std::filesystem::copy_file("/usr/share/OVMF/OVMF_VARS_4M.fd", vm->placement.directory / "vars.fd");
  const auto source = start(from);
  const auto destination = start(to, StartMode::kIncoming);
  ASSERT_TRUE(source && destination);
  ConsoleReader console(source->console_socket());
  ASSERT_OK(source->cont(soon()));
  console.read_until("COUNT 2");
  move_plainly(*source, from, *destination, to);
  EXPECT_GE(run_and_count(*destination), 2U);
  // The firmware wrote variables at the source's boot; the destination had the empty template.
  const auto vars = [](const TestVm& vm) {
    return file::read(vm.placement.directory / "vars.fd", 4U << 20).value();
  };
  EXPECT_NE(vars(from), file::read("/usr/share/OVMF/OVMF_VARS_4M.fd", 4U << 20).value());
  EXPECT_EQ(vars(from), vars(to));
}

TEST_F(Qemu, ACancelledMigrationLeavesTheGuestRunningAndMovesLater) {
  const TestVm from = testing::make_test_vm(path(), "cancel", {});
  const auto source = start(from);
  ASSERT_TRUE(source);
  ASSERT_OK(source->cont(soon()));
  ASSERT_OK(source->prepare_migration(MigrationSide::kSource, 0, soon()));
  // Nobody listens: `migrate` itself says nothing, the status does.
  ASSERT_OK(file::write_atomic(path() / "nobody", "x"));
  ASSERT_OK(source->migrate_to(path() / "nobody", soon()));
  EXPECT_EQ(*source->wait_migration_end(soon(), Stop()), MigrationPhase::kFailed);
  EXPECT_FALSE(source->migration_status(soon())->error.empty());
  EXPECT_TRUE(source->status(soon())->running);

  TestVm to = testing::make_test_vm(path(), "cancel-to", {});
  to.definition = from.definition;
  to.placement.vm_id = from.placement.vm_id;
  const auto destination = start(to, StartMode::kIncoming);
  ASSERT_TRUE(destination);
  ASSERT_OK(destination->prepare_migration(MigrationSide::kDestination, 0, soon()));
  ASSERT_OK(destination->migrate_incoming(destination->run_directory() / "move", soon()));
  const std::uint64_t position = source->event_position();
  ASSERT_OK(source->migrate_to(destination->run_directory() / "move", soon()));
  wait_phase(*source, position, MigrationPhase::kActive);
  ASSERT_OK(source->stop(soon()));
  wait_phase(*source, position, MigrationPhase::kPreSwitchover);
  ASSERT_OK(source->cancel_migration(soon()));
  ASSERT_OK(destination->kill(soon()));
  EXPECT_EQ(*source->wait_migration_end(soon(), Stop()), MigrationPhase::kCancelled);
  EXPECT_FALSE(source->status(soon())->running);  // our own stop holds
  ASSERT_OK(source->cont(soon()));
  EXPECT_TRUE(source->status(soon())->running);
}

}  // namespace
}  // namespace sealift::hypervisor::qemu::fixture
