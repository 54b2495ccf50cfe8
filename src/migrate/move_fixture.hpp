#pragma once

// For tests: two hosts in one process with everything real but the ledger's blocks: host module, QEMU, TLS
// over loopback, disks. restart() is what a daemon's restart is: everything of it is built anew over its
// state directory.

#include <gtest/gtest.h>

#include "host/host.hpp"
#include "host/ledger_records.hpp"
#include "hypervisor/qemu/machine.hpp"
#include "hypervisor/test_guest.hpp"
#include "migrate/move_manager.hpp"
#include "migrate/test_host_side.hpp"
#include "migrate/test_ledger.hpp"

namespace sealift::migrate::testing {

using namespace std::chrono_literals;

#define ASSERT_OK(expression) \
  do { \
    const auto assert_ok_result = (expression); \
    ASSERT_TRUE(assert_ok_result) << assert_ok_result.error().message; \
  } while (false)

inline Deadline soon() {
  return Deadline::in(90s);
}

struct Side {
  std::string name;
  file::Path state;
  crypto::Identity identity;
  LedgerView ledger;
  std::unique_ptr<hypervisor::Hypervisor> hypervisor;
  std::unique_ptr<host::LedgerRecords> records;
  std::unique_ptr<host::Host> host;
  std::unique_ptr<HostSide> local;
  std::unique_ptr<MoveManager> moves;
  std::unique_ptr<net::PeerServer> server;
  std::uint16_t port = 0;

  Side(std::string n, file::Path s, SharedLedger& shared)
      : name(std::move(n)), state(std::move(s)), identity(identity_of(name)), ledger(shared) {}
  ledger::HostName host_name() const { return *ledger::HostName::parse(name); }
  void up();
  void down();
};

class MoveTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // A VM with a raw disk of random bytes and holes, and a qcow2 one; on zurich, powered off.
  void create(const std::string& vm, const std::string& disks);
  // With a small bandwidth it can be caught in the middle. A failure gives MoveId{}.
  ledger::MoveId migrate(Side& from, const Side& to, const std::string& vm, std::uint64_t bandwidth = 0);
  MoveProgress wait_end(Side& side, const ledger::MoveId& move);
  Bytes content(Side& side, const std::string& vm, std::size_t disk);  // as raw bytes
  file::Path random_image(const std::string& name, std::size_t bytes);

  hypervisor::testing::TestDirectory directory_;
  std::unique_ptr<SharedLedger> shared_;
  std::unique_ptr<Side> zurich_, bern_;
};

}  // namespace sealift::migrate::testing
