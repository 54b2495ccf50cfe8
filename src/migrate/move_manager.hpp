#pragma once

// MoveManager: all moves of this host, as source and as destination. It owns moves.db, resumes every
// unfinished move from its journal and the ledger when it starts, and drives each one on a thread of its own
// through the custody machines (custody/). What it has started goes on without the caller.
//
//   auto moves = MoveManager::open(options);     reads the journal
//   moves->attach(server);                       purpose "move" and bulk connections
//   moves->start();                              holds the VMs of unfinished moves, goes on with them
//   …
//   moves.reset();                               stops the threads; unfinished moves go on at the next start
//
// All calls are thread-safe.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crypto/identity.hpp"
#include "host/record_numbers.hpp"
#include "ledger/ledger.hpp"
#include "migrate/estimate.hpp"
#include "migrate/local_host.hpp"
#include "migrate/progress.hpp"
#include "migrate/traffic_switch.hpp"
#include "net/dial.hpp"
#include "transport/session.hpp"

namespace sealift::migrate {

struct MoveManagerOptions {
  file::Path directory;  // the state directory: moves.db, receipts/, run/
  ledger::HostName self;
  const crypto::Identity* identity = nullptr;  // these outlive the manager
  ledger::Ledger* ledger = nullptr;
  LocalHost* host = nullptr;
  net::CallBacks* call_backs = nullptr;    // for members that cannot be dialled; may be absent
  TrafficSwitch* traffic = nullptr;        // told of live moves; may be absent
  host::RecordNumbers* numbers = nullptr;  // of all records of this host
  const Clock* clock = &system_clock();
  Random* random = &system_random();
  transport::SessionOptions session;
  Milliseconds deadline{24 * 3'600'000};  // from the offer, in block time
  Milliseconds seal_patience{15'000};     // sealed and no answer: ask the ledger to abort
  std::size_t incoming_max = 8;           // moves taken in at once
  // A move changed its state: the balancer, metrics and logs may want to know. Returns soon.
  std::function<void(const MoveProgress&)> on_change;
};

struct MigrateRequest {
  enum class Mode { kAuto, kLive, kCold };
  std::string vm;  // name or id
  ledger::HostName to;
  Mode mode = Mode::kAuto;  // kAuto: live when it runs
  std::uint64_t max_downtime_ms = 300;
  std::uint64_t bandwidth = 0;          // bytes a second; 0: unlimited
  std::uint64_t patience_ms = 300'000;  // a live move without progress for so long is cancelled; 0: never
  std::uint32_t streams = 2;            // bulk connections, and multifd channels of a live move
  std::map<std::string, std::string> map_networks;
  std::map<std::string, std::string> map_pools;
  bool drop_snapshots = false;
  bool dry_run = false;
};
struct MigrateAnswer {
  std::optional<ledger::MoveId> id;  // it began
  std::vector<std::string> refused;  // nothing moved, and every reason why
  std::string vm_is;                 // "runs on zurich", "is powered off on zurich"
  std::string checks;                // "24 ok; quorum 2 of 3"
  std::string mapped;
  Estimate expected;
  std::vector<std::string> warnings;
};

class MoveManager {
 public:
  static Result<std::unique_ptr<MoveManager>> open(MoveManagerOptions options);
  ~MoveManager();  // the server that it was attached to must be stopped before

  void attach(net::PeerServer& server);
  Status start();

  // Pre-flight on both sides, then the offer; returns when that is durable. Errors are what keeps the
  // question itself from being answered: no such VM or member, the other side out of reach.
  Result<MigrateAnswer> migrate(const MigrateRequest& request, Deadline deadline, const Stop& stop);

  std::vector<MoveProgress> moves() const;                 // newest first, ended ones too
  Result<MoveProgress> find(const std::string& id) const;  // id or its first digits; kNotFound, kConflict
  // Until its version is above `version`; the unchanged one at the deadline.
  Result<MoveProgress> wait_change(const std::string& id, std::uint64_t version, Deadline deadline,
                                   const Stop& stop) const;
  Result<std::string> abort(const std::string& id);  // what happens now, in words; kRefused: too late
  Result<std::string> tune(const std::string& id, std::optional<std::uint64_t> bandwidth,
                           std::optional<std::uint64_t> max_downtime_ms);
  // The host's rule "one at a time": a start, an offer and an acceptance wait for this to be empty. An error
  // (the journal cannot be read) is no "none".
  Result<std::optional<ledger::MoveId>> unfinished(const ledger::VmId& vm) const;
  bool may_be_unfinished(const ledger::VmId& vm) const;  // unknown is not none
  // The host shuts down: every move that is not sealed is cancelled, and waited for until then. The answer:
  // VMs whose moves are sealed and undecided, or on their way in or back; they are left as they are.
  std::vector<ledger::VmId> cancel_unsealed(Deadline deadline);

 private:
  struct Impl;
  explicit MoveManager(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::migrate
