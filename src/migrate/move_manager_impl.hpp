#pragma once

// MoveManager's inside: move_manager.cpp (the table of moves, life), begin_move.cpp (pre-flight and offer at
// the source), incoming_moves.cpp (sessions that come in).

#include <thread>

#include "migrate/dial.hpp"
#include "migrate/driver.hpp"
#include "migrate/preflight.hpp"
#include "transport/acceptor.hpp"

namespace sealift::migrate {

struct MoveManager::Impl {
  explicit Impl(MoveManagerOptions options);
  ~Impl();

  struct Entry {
    std::shared_ptr<Driver> driver;  // shared: the table, its thread's caller and a session's thread use it
    std::jthread thread;
    MoveProgress shown;  // once there is no driver
  };

  // move_manager.cpp
  Status open();
  Status start();
  void resume(const MoveRow& row);
  void run(std::shared_ptr<Driver> driver);  // adds it to the table and starts its thread
  void watch_ledger(const Stop& stop);
  void retire();  // of an ended move its progress is kept, nothing else
  std::shared_ptr<Driver> driver(const ledger::MoveId& id);
  Result<ledger::MoveId> resolve(const std::string& id);
  std::vector<MoveProgress> moves();

  // leftovers.cpp
  void look_for_leftovers();
  void abort_unknown(const ledger::State& state, const ledger::Move& move);
  void end_leftover(const ledger::State& state, const ledger::MoveId& id);
  std::vector<ledger::VmId> cancel_unsealed(Deadline deadline);

  // begin_move.cpp
  struct Question {  // what is asked of the destination, and what it answered
    Verdict verdict;
    Agreed agreed;
    std::shared_ptr<Conversation> talk;  // shared with the driver later
    std::size_t quorum_answered = 0, members = 0;
    std::uint64_t quorum_ms = 0;
    hypervisor::WriteRates writes;
    std::uint64_t link_bytes_per_second = 0;
    LocalVm vm;
  };
  Result<MigrateAnswer> migrate(const MigrateRequest& request, Deadline deadline, const Stop& stop);
  bool wait_settled(const ledger::VmId& vm, const Stop& stop) const;
  Status ask_here(const MigrateRequest& request, Question& question, const Stop& stop);
  Status ask_there(Question& question, Deadline deadline, const Stop& stop);
  Result<ledger::MoveId> offer(Question& question);

  // foresee.cpp
  void measure_writes(Question& question, const Stop& stop);
  Status measure_link(Question& question, const Stop& stop);
  void foresee(Question& question, MigrateAnswer& answer);

  // incoming_moves.cpp
  void serve(std::unique_ptr<transport::Session> session, const net::Hello& hello, const Stop& stop);
  Verdict check_incoming(const protocol::Request& request, const hypervisor::HypervisorFacts& theirs,
                         const ledger::HostName& peer, std::vector<std::string>* mapped);
  void begin(const std::shared_ptr<Conversation>& talk, const protocol::Begin& begin,
             const ledger::HostName& peer, const std::optional<hypervisor::HypervisorFacts>& theirs,
             const Stop& stop);
  Result<Agreed> agree(const protocol::Begin& begin, const ledger::HostName& peer, const Stop& stop);

  MoveManagerOptions options;
  Surroundings around;
  std::unique_ptr<MoveJournal> journal;
  std::unique_ptr<Outbox> outbox;
  std::unique_ptr<transport::Acceptor> acceptor;
  Guarded<std::map<ledger::MoveId, Entry>> table;
  Guarded<bool> started;  // sessions that come in before wait: an unfinished move may not be in the table yet
  Guarded<std::uint64_t> pulse;  // grows with every change of any move
  StopSource stopping;
  std::jthread watcher;
};

}  // namespace sealift::migrate
