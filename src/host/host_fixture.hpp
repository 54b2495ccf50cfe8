#pragma once

// For tests: a host over a state directory with real QEMU; its ledger is a small one in memory.

#include <gtest/gtest.h>

#include "host/host.hpp"
#include "host/memory_records.hpp"
#include "hypervisor/qemu/machine.hpp"
#include "hypervisor/test_guest.hpp"

namespace sealift::host::testing {

using namespace std::chrono_literals;
using hypervisor::testing::ConsoleReader;

inline Deadline soon() {
  return Deadline::in(60s);
}

#define ASSERT_OK(expression) \
  do { \
    const auto assert_ok_result = (expression); \
    ASSERT_TRUE(assert_ok_result) << assert_ok_result.error().message; \
  } while (false)

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
    if (opened) (*opened)->begin();
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

}  // namespace sealift::host::testing
