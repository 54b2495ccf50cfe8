#pragma once

// VmRecords over the ledger: makes and signs this host's records of its VMs, journals them (journal.db,
// table records), and hands them to the ledger in the order of their making until each one is final or
// refused. A refused record changed nothing; it is logged and left.

#include <functional>
#include <thread>

#include "base/clock.hpp"
#include "crypto/identity.hpp"
#include "host/inventory.hpp"
#include "host/record_numbers.hpp"
#include "host/records.hpp"
#include "ledger/ledger.hpp"

namespace sealift::host {

class LedgerRecords final : public VmRecords {
 public:
  struct Options {
    file::Path state_directory;
    ledger::HostName self;
    const crypto::Identity* identity = nullptr;  // these outlive it
    ledger::Ledger* ledger = nullptr;
    Random* random = &system_random();
  };
  static Result<std::unique_ptr<LedgerRecords>> open(Options options);
  ~LedgerRecords() override;

  // held_back: true while a move of the VM has records of its own on their way: numbers go up in the order of
  // their making, so ours wait. May be empty; is called from start() to stop(), on a thread of its own.
  // Before and after that records are journaled as ever and stay here.
  void start(std::function<bool(const ledger::VmId&)> held_back);
  void stop();

  Status registered(const ledger::VmId& vm, const crypto::Digest& definition, Deadline deadline,
                    const Stop& stop) override;
  Status retired(const ledger::VmId& vm, const std::string& reason, Deadline deadline,
                 const Stop& stop) override;
  Status may_start(const ledger::VmId& vm, Deadline deadline, const Stop& stop) override;
  std::optional<crypto::Digest> rest_root(const ledger::VmId& vm) override;
  Status started(const ledger::VmId& vm, const std::optional<crypto::Digest>& checked,
                 const std::string& reason) override;
  Status rested(const ledger::VmId& vm, const crypto::Digest& root, const std::string& reason) override;
  Numbers numbers(const ledger::VmId& vm) override;
  RecordNumbers& numbering() { return numbering_; }  // for all records of this host

 private:
  LedgerRecords(Options options, std::unique_ptr<Inventory> inventory);
  template <class Body>
  Status journal(Body body);
  Status submit_now(const ledger::Body& body, Deadline deadline, const Stop& stop);
  void send_loop(const Stop& stop);
  bool send_one(const RecordRow& record, const Stop& stop);  // false: not now
  // True: its number had been overtaken, and it goes out with another one.
  Result<bool> remade(const RecordRow& record);

  Options options_;
  std::unique_ptr<Inventory> inventory_;
  RecordNumbers numbering_;
  Guarded<bool> unsent_;  // set when there is something
  std::function<bool(const ledger::VmId&)> held_back_;
  StopSource stopping_;
  std::jthread sender_;
};

}  // namespace sealift::host
