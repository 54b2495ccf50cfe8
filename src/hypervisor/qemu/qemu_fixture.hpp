#pragma once

// For tests: the hypervisor over real QEMU, in a directory of its own; what was started is ended.

#include <gtest/gtest.h>

#include "hypervisor/qemu/qemu_hypervisor.hpp"
#include "hypervisor/test_guest.hpp"

namespace sealift::hypervisor::qemu::fixture {

using namespace std::chrono_literals;
using testing::ConsoleReader;
using testing::TestVm;

inline Deadline soon() {
  return Deadline::in(30s);
}

class Qemu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = testing::guest_missing()) GTEST_SKIP() << *missing;
    auto opened = open_qemu(settings(), soon(), Stop());
    ASSERT_TRUE(opened) << opened.error().message;
    hypervisor_ = std::move(*opened);
  }
  QemuSettings settings() const {
    QemuSettings out;
    out.accelerator = Accelerator::kTcg;
    out.scratch_directory = directory_.path() / "scratch";
    return out;
  }
  std::unique_ptr<Machine> start(const TestVm& vm, StartMode mode = StartMode::kBoot) {
    auto machine = hypervisor_->start(vm.definition, vm.placement, mode, soon());
    EXPECT_TRUE(machine) << machine.error().message;
    if (machine) started_.push_back((*machine)->process());
    return machine ? std::move(*machine) : nullptr;
  }
  void TearDown() override {
    for (const ProcessName& process : started_) static_cast<void>(process::kill_hard(process, soon()));
  }
  const file::Path& path() const { return directory_.path(); }

  testing::TestDirectory directory_;
  std::unique_ptr<Hypervisor> hypervisor_;
  std::vector<ProcessName> started_;
};

#define ASSERT_OK(expression) \
  do { \
    const auto assert_ok_result = (expression); \
    ASSERT_TRUE(assert_ok_result) << assert_ok_result.error().message; \
  } while (false)

inline void wait_phase(Machine& machine, std::uint64_t position, MigrationPhase wanted) {
  while (true) {
    const auto event = machine.next_event(position, soon(), Stop());
    ASSERT_TRUE(event) << event.error().message;
    if (event->kind == EventKind::kMigration && event->phase == wanted) return;
  }
}

}  // namespace sealift::hypervisor::qemu::fixture
