#pragma once

// A running balancer: registry, checker, loops and listening sockets behind one lock. Commands come from any
// thread; each is in force in every loop when it returns, or 50 ms later where a loop is busy.

#include <memory>

#include "balance/checker.hpp"
#include "balance/follow.hpp"
#include "balance/listen.hpp"
#include "balance/loop.hpp"

namespace sealift::balance {

class Balancer {
 public:
  // With what an old process handed over, its sockets are used for the listeners of the same name and
  // address.
  static Result<std::unique_ptr<Balancer>> start(const Config& config, Inheritance inheritance);
  ~Balancer();  // ends what is still open

  // All of it or nothing: kConflict when a new listener cannot listen, kRefused for what needs a restart.
  Status reload(const Config& config);
  // Runs it on the registry and makes the loops follow.
  Status change(const std::function<Status(Registry&, SteadyTime)>& action);
  // The same, with what is known of moves.
  Status follow(const std::function<Status(MoveFollower&, Registry&, SteadyTime)>& action);

  Json status();
  std::string metrics();  // OpenMetrics text

  // For the next process: descriptors by listener, valid until finish(); and what commands have set.
  std::vector<std::pair<std::string, int>> sockets();
  Json commands();
  // Stops accepting; open connections go on for `drain`.
  void finish(Milliseconds drain);
  bool finished() const;

 private:
  struct Listening {
    Address address;
    std::vector<UniqueFd> fds;  // one a loop, the loops hold their own duplicates
  };
  struct Core {
    Registry registry;
    MoveFollower follower;
    std::map<std::string, Listening> listening;
  };
  using Fresh = std::map<std::string, Listening>;

  explicit Balancer(const Config& config) : threads_(config.threads) {}
  Result<Fresh> open_missing(const Config& config, const std::map<std::string, Listening>& have) const;
  Status adopt(Inheritance& inheritance, const Config& config, Fresh* out) const;
  void give_to_loops(const std::string& name, const Listening& listening);
  std::uint64_t publish(Core& core);  // the newest snapshot's generation
  std::uint64_t settled() const;
  void settle(std::uint64_t generation) const;
  void control();

  const std::uint32_t threads_;
  UniqueFd access_log_;
  Guarded<Core> core_;
  std::vector<std::unique_ptr<Loop>> loops_;
  StopSource stop_;
  std::thread control_;  // last
};

}  // namespace sealift::balance
