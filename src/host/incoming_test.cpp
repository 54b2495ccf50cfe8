// VMs that come in by a move, real QEMU.

#include <fmt/ranges.h>

#include "host/host_fixture.hpp"

namespace sealift::host::testing {
namespace {

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

TEST_F(HostTest, ARunningGuestOnABridgeIsNotTakenToAUserNetwork) {
  ASSERT_OK(create("guest"));
  IncomingRequest request = request_of(*host_->find("guest"));
  request.definition.name = "other";
  request.definition.networks = {{.name = "default", .mac = "52:54:00:00:00:01"}};
  request.bridged = {true};
  EXPECT_TRUE(host_->check_incoming(request).refused.empty());  // cold
  request.live = true;
  const auto verdict = host_->check_incoming(request);
  ASSERT_EQ(verdict.refused.size(), 1U);
  EXPECT_NE(verdict.refused.front().find("--map-net default=NAME"), std::string::npos)
      << verdict.refused.front();
}

}  // namespace
}  // namespace sealift::host::testing
