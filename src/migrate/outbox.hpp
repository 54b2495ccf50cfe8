#pragma once

// The records of this host's moves on their way to the ledger. A record's exact bytes are durable before they
// are first submitted, and are submitted until the ledger shows them final or refused: a time-out is no
// answer. The records of one VM go one after the other, in the order in which they were made; one thread per
// VM that has any. What is pending from before a restart goes on when start() is called.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "host/record_numbers.hpp"
#include "ledger/ledger.hpp"
#include "migrate/journal.hpp"

namespace sealift::migrate {

class Outbox {
 public:
  struct Settled {
    ledger::MoveId move;
    custody::RecordKind kind = custody::RecordKind::kOffer;
    OutboxStatus status = OutboxStatus::kFinal;
    std::string reason;  // kRefused
  };
  // on_settled is called on the outbox's threads, after the journal knows.
  Outbox(MoveJournal& journal, ledger::Ledger& ledger, host::RecordNumbers& numbers,
         const crypto::Identity& identity, std::function<void(const Settled&)> on_settled);
  ~Outbox();  // stops; what is pending stays so

  void start();
  // Makes the record unless there is one of that kind of the move already. `make` gets a number above every
  // one that this host has used for the VM.
  Status submit(const ledger::MoveId& move, const ledger::VmId& vm, custody::RecordKind kind,
                const std::function<Result<Bytes>(std::uint64_t number)>& make);
  // A record that is there already, the offer: it is the move.
  Status submit_made(const ledger::MoveId& move, const ledger::VmId& vm, custody::RecordKind kind,
                     const Bytes& envelope, std::uint64_t number);
  bool settled(const ledger::VmId& vm) const;  // nothing of that VM is pending

 private:
  void wake(const ledger::VmId& vm);
  void work(const ledger::VmId& vm);
  // True: settled. False: try again later.
  bool deliver(const OutboxRow& row);
  void announce(const OutboxRow& kept);
  // True: its number had been overtaken, and it goes out with another one.
  Result<bool> remade(const OutboxRow& row);

  MoveJournal& journal_;
  ledger::Ledger& ledger_;
  host::RecordNumbers& numbers_;
  const crypto::Identity& identity_;
  std::function<void(const Settled&)> on_settled_;
  StopSource stop_;
  struct Workers {
    std::map<ledger::VmId, std::jthread> threads;
    std::map<ledger::VmId, std::uint64_t> rung;  // how often something was put in
  };
  mutable Guarded<Workers> workers_;
};

}  // namespace sealift::migrate
