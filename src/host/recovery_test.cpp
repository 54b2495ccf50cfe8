// A VM that comes back under its old id from a copy; no guest runs.

#include "host/host_fixture.hpp"

namespace sealift::host::testing {
namespace {

const file::Path kPattern = "pattern.raw";

class RecoveryTest : public HostTest {
 protected:
  // A backup: vm.toml, its kernel, and a raw disk with something in it.
  file::Path backup() {
    const file::Path folder = directory_.path() / "backup";
    std::filesystem::create_directories(folder);
    Bytes disk(1U << 20);
    for (std::size_t i = 0; i < disk.size(); ++i) disk[i] = static_cast<std::uint8_t>(i * 7 + i / 4096);
    EXPECT_TRUE(file::write_atomic(folder / kPattern, ByteView(disk)));
    const std::string toml = fmt::format(
        "name = \"web\"\nmemory = \"96M\"\nkernel = \"{}\"\n[[disk]]\nformat = \"raw\"\nsource = \"{}\"\n",
        files_.kernel.string(), kPattern.string());
    EXPECT_TRUE(file::write_atomic(folder / "vm.toml", std::string_view(toml)));
    return folder;
  }
  const ledger::VmId vm_ = *ledger::VmId::parse("6f1c6f7e-0000-4000-8000-000000000001");
};

TEST_F(RecoveryTest, APreparedCopyIsNoVmUntilItIsAdoptedAndSurvivesTheDaemon) {
  const auto copy = host_->find_copy(backup().string());
  ASSERT_OK(copy);
  const auto root = host_->prepare_recovery(vm_, *copy, soon(), Stop());
  ASSERT_OK(root);
  EXPECT_TRUE(host_->list().empty());
  EXPECT_TRUE(host_->incoming_moves().empty());
  EXPECT_TRUE(host_->prepared_recoveries().empty()) << "nothing was promised";
  ASSERT_OK(host_->promise_recovery({.vm = vm_, .epoch = {3}, .root = *root, .accepted = "why"}));
  host_.reset();
  host_ = open_host();
  ASSERT_TRUE(host_);
  const auto waiting = host_->prepared_recoveries();
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0].epoch.value, 3U);
  EXPECT_EQ(waiting[0].root, *root);
  EXPECT_EQ(waiting[0].accepted, "why");
  ASSERT_OK(host_->adopt_recovery(vm_));
  const auto vm = host_->find("web");
  ASSERT_OK(vm);
  EXPECT_EQ(vm->id, vm_);
  EXPECT_EQ(vm->state, VmState::kOff);
  EXPECT_FALSE(vm->held_by);
  EXPECT_EQ(*file::read(vm->placement.disks[0], 2U << 20), *file::read(backup() / kPattern, 2U << 20));
  // The root that was recorded is checked at its start, as any VM's at rest is.
  records_.known[vm_.text()] = crypto::sha256(to_bytes("another"));
  EXPECT_EQ(start("web").error().code, Code::kCorrupt);
  EXPECT_EQ(host_->drop_recovery(vm_).error().code, Code::kConflict);
}

TEST_F(RecoveryTest, WhatWasNotPromisedOrIsDroppedLeavesNothing) {
  const auto copy = host_->find_copy((backup() / "vm.toml").string());
  ASSERT_OK(copy);
  ASSERT_OK(host_->prepare_recovery(vm_, *copy, soon(), Stop()));
  host_.reset();
  host_ = open_host();
  ASSERT_TRUE(host_);
  EXPECT_TRUE(std::filesystem::is_empty(state() / "vms")) << "half made when the daemon ended";
  ASSERT_OK(host_->prepare_recovery(vm_, *copy, soon(), Stop()));
  ASSERT_OK(host_->drop_recovery(vm_));
  ASSERT_OK(host_->drop_recovery(vm_));
  EXPECT_TRUE(std::filesystem::is_empty(state() / "vms"));
}

TEST_F(RecoveryTest, AQuarantinedVmIsItsOwnCopy) {
  const auto made =
      host_->create(*hypervisor::load_definition(backup() / "vm.toml", system_random()), soon(), Stop());
  ASSERT_OK(made);
  const std::string move(64, 'a');
  ASSERT_OK(host_->hold(made->id, move));
  ASSERT_OK(host_->quarantine(made->id, move, "moved to bern"));
  const auto copy = host_->find_copy(move.substr(0, 8));
  ASSERT_OK(copy);
  EXPECT_EQ(copy->parsed.definition, made->definition);
  const auto root = host_->prepare_recovery(made->id, *copy, soon(), Stop());
  ASSERT_OK(root);
  ASSERT_OK(host_->adopt_recovery(made->id));
  EXPECT_EQ(host_->find("web")->id, made->id);
  EXPECT_EQ(host_->quarantine_list().size(), 1U) << "the copy is kept";
}

TEST_F(RecoveryTest, WhatIsMissingOrInTheWayIsSaid) {
  EXPECT_EQ(host_->find_copy("/nowhere").error().code, Code::kNotFound);
  const file::Path folder = backup();
  std::filesystem::remove(folder / kPattern);
  const auto without_disk = host_->find_copy(folder.string());
  EXPECT_EQ(without_disk.error().code, Code::kNotFound);
  EXPECT_NE(without_disk.error().message.find("vda"), std::string::npos);
  std::filesystem::remove(folder / "vm.toml");
  EXPECT_NE(host_->find_copy(folder.string()).error().message.find("vm.toml"), std::string::npos);
  const auto copy = host_->find_copy(backup().string());
  ASSERT_OK(copy);
  ASSERT_OK(create("web"));
  EXPECT_EQ(host_->prepare_recovery(vm_, *copy, soon(), Stop()).error().code, Code::kConflict);
}

}  // namespace
}  // namespace sealift::host::testing
