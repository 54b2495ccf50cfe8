#pragma once

// Core: one domain's ledger on this host with its threads. A node has one at a time; join and leave replace
// it. Who uses it holds a reference; stop() lets them all go within half a second.

#include <thread>
#include <vector>

#include "domain/follow_loop.hpp"
#include "domain/server.hpp"

namespace sealift::domain {

class Core {
 public:
  struct Options {
    FollowLoop::Options follow;
    Milliseconds compare_every{10'000};
  };
  // Reads genesis.json, opens ledger.db and domain.db of that directory.
  static Result<std::unique_ptr<Core>> open(const file::Path& directory, const ledger::HostName& self,
                                            const crypto::Identity& identity, const Clock& clock,
                                            Options options);
  ~Core();

  void start();
  void stop();
  bool stopped() const { return stop_.stopped(); }
  Stop token() const { return stop_.token(); }

  Replica& replica() const { return *replica_; }
  ledger::Chain& chain() const { return replica_->chain(); }
  Desk& desk() const { return replica_->desk(); }
  Server& server() const { return *server_; }
  FollowLoop& follow() const { return *follow_; }
  bool serving() const { return chain().serving(); }

  Role role() const;
  std::string waiting_for() const;
  // kCorrupt: halted. kRefused: expelled.
  Status check_active() const;

  // Exchanges checkpoints with a member and compares.
  Status compare_with(const ledger::HostName& member, Deadline deadline, const Stop& stop);
  // The other side of it.
  HeadExchange compare(const HeadExchange& theirs);

 private:
  Core(std::unique_ptr<Replica> replica, Options options);
  void compare_all(const Stop& stop);

  Options options_;
  std::unique_ptr<Replica> replica_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<FollowLoop> follow_;
  StopSource stop_;
  std::vector<std::jthread> threads_;
};

}  // namespace sealift::domain
