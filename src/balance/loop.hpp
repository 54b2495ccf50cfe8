#pragma once

// The data path: one thread, one epoll set, its own listening sockets (SO_REUSEPORT) and connections. Edge
// triggered; one 256 KiB buffer for all, bytes go straight across; streams that are bulk are spliced. Pools
// and servers come as snapshots from outside (post), between two rounds of events.

#include <optional>
#include <string>
#include <thread>

#include "balance/choose.hpp"
#include "balance/connection.hpp"
#include "balance/timer_wheel.hpp"
#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "base/stop.hpp"

namespace sealift::balance {

struct ListenSocket {
  std::string listener;  // its name in the configuration
  UniqueFd fd;           // listening, non-blocking
};

struct LoopOptions {
  std::uint32_t connections_max = 0;
  int access_log = -1;  // descriptor, outlives the loop
  std::uint64_t seed = 1;
};

struct LoopCounters {
  std::atomic<std::uint64_t> accepted{0}, accept_pauses{0}, bad_headers{0}, bulk_streams{0};
};

class Loop {
 public:
  static Result<std::unique_ptr<Loop>> start(const LoopOptions& options,
                                             std::shared_ptr<const Snapshot> first);
  ~Loop();  // as finish() with no time left

  void post(std::shared_ptr<const Snapshot> snapshot);
  void listen(ListenSocket socket);
  void close_listener(const std::string& name);  // what has connected is still served
  // No new connections; ends when the open ones have ended, or at the deadline.
  void finish(SteadyTime deadline);
  bool finished() const { return finished_.load(); }
  std::uint64_t generation() const { return generation_.load(); }  // of the snapshot in use
  const LoopCounters& counters() const { return counters_; }
  std::size_t open() const { return open_.load(std::memory_order_relaxed); }

 private:
  struct Mail {
    std::shared_ptr<const Snapshot> snapshot;
    std::vector<ListenSocket> opened;
    std::vector<std::string> closed;
    std::optional<SteadyTime> finish;
  };
  enum class Ending { kClean, kReset };
  enum class Progress { kIdle, kBlocked, kEnded, kMore, kSourceLost, kTargetLost };
  Loop(const LoopOptions& options, std::shared_ptr<const Snapshot> first);
  Status open_descriptors();
  void run();
  void on_event(std::uint64_t data, std::uint32_t events);
  void read_mail();
  void take_snapshot(std::shared_ptr<const Snapshot> snapshot);
  void tick();
  void end(std::uint32_t number, Ending ending, std::string_view why);
  // loop_accept.cpp
  void accept_some(std::size_t listener);
  void welcome(std::size_t listener, int fd, const sockaddr_storage& from);
  void read_header(std::uint32_t number);
  void route(std::uint32_t number);
  void set_accepting(bool on);
  void watch(std::uint32_t number, Side side, std::uint32_t events, int operation);
  void arm(std::uint32_t number, Stage stage, Milliseconds patience);
  // loop_dispatch.cpp
  void dispatch(std::uint32_t number);
  void dial(std::uint32_t number, const PoolView& pool, const ServerView& server);
  bool greet(std::uint32_t number, const PoolView& pool);
  void connected(std::uint32_t number);
  void connect_failed(std::uint32_t number);
  void none_can_take(std::uint32_t number, const PoolView& pool);
  void wait(std::uint32_t number, const PoolView& pool, const Choice& choice);
  bool let_go(const PoolView& pool, const ServerView& server);
  void leave_queue(std::uint32_t number);
  void retry_waiting();
  // loop_pump.cpp
  void move(std::uint32_t number, Side from);
  Progress pump(Connection& c, Side from);
  Progress flush(Connection& c, Side from);
  Progress copy(Connection& c, Side from);
  Progress splice_across(Connection& c, Side from);
  Progress pass_end(Connection& c, Side from);
  void make_bulk(Flow& flow);
  void write_log(const Connection& c, std::string_view why);
  LoopOptions options_;
  std::shared_ptr<const Snapshot> snapshot_;
  UniqueFd epoll_, wake_;
  std::vector<ListenSocket> listeners_;     // closed ones stay as empty places: events name them by number
  std::vector<const ListenerView*> views_;  // of listeners_, in the snapshot
  Connections connections_;
  TimerWheel timers_;
  std::vector<std::uint32_t> again_;    // more to do without an event: their turn was long enough
  std::vector<std::uint32_t> dropped_;  // free after this round of events
  std::vector<std::uint32_t> waiting_;  // in the order of arrival
  std::vector<std::unique_ptr<Pipe>> spare_pipes_;
  Bytes buffer_;
  std::string log_lines_;
  SeededRandom random_;
  std::uint32_t now_ms_ = 0;
  bool accepting_ = true, slot_freed_ = false;
  std::optional<SteadyTime> finish_;
  Guarded<Mail> mail_;  // from the control thread
  std::atomic<bool> finished_{false};
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<std::size_t> open_{0};
  LoopCounters counters_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sealift::balance
