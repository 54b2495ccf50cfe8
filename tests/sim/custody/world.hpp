#pragma once

// A world in which the custody machines live: two hosts with journals, QEMUs and disks, a session that
// breaks, a ledger that is sometimes out of reach. One step does one small thing (one action of one daemon,
// one event, one record, one message), so that a crash can fall between any two. After every step the
// invariants are checked:
//   at most one runner; the runner is the ledger's owner; a guest never starts from anything but the newest
//   content; the newest content exists somewhere; at most one seal per move.

#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "base/clock.hpp"
#include "ledger_model.hpp"
#include "migrate/custody/destination.hpp"
#include "migrate/custody/source.hpp"

namespace sealift::sim {

namespace custody = migrate::custody;
namespace source = migrate::custody::source;
namespace destination = migrate::custody::destination;

// The machines under test; a broken variant replaces one of these.
struct Machines {
  std::function<source::Step(const custody::MoveTerms&, const source::State&, const source::Event&)> source =
      source::step;
  std::function<destination::Step(const custody::MoveTerms&, const destination::State&,
                                  const destination::Event&)>
      destination = destination::step;
};

enum class Fault {
  kCrashDaemon,    // of host 0 or 1, for a while
  kReboot,         // of the host: daemon, QEMU and what was not synced
  kKillQemu,       //
  kCutSession,     // for good: both sides are told
  kLedgerAway,     // for this host, for a while
  kOperatorAbort,  //
  kDeadline,       // the clock jumps behind it
  kPowerOff,       // the guest ends its QEMU
  kReset,          // the guest reboots
  kSuspend,        // the guest suspends
  kWake,           // SIGCONT from outside to this host's QEMU
  kMonitor,        // somebody says cont to this host\'s QEMU
  kStartFails,     // the next start of a received guest fails
  kIoPause,        // the guest of this host pauses on an I/O error
  kTamper,         // what arrives differs from what left
  kDiskFull,       // of this host: its daemon dies, its guest pauses, its next start fails
  kRepeat,         // messages arrive twice, ledger facts are told again
  kReplay,         // every record ever sent arrives once more
  kExpel,          // the move's source is expelled (only once committed), and rejoins later
  kRecover,  // the source is lost, its QEMU dead, the daemon away; the VM is recovered to the destination,
             // which waits for its commit; the source comes back and rejoins later
};
inline constexpr int kFaults = 20;
std::string to_string(Fault fault);

struct Copy {
  int version = -1;  // -1: none; below: garbage (a reboot before the sync, a flipped byte)
  bool synced = true;
  int move = 0;  // that brought it
};

struct Qemu {
  enum class Guest { kRunning, kStopped, kSuspended };
  enum class StoppedBy { kUs, kSwitchover, kError };  // kUs: stays stopped whatever happens to the process
  bool exists = false;
  bool incoming = false;  // waits for, or holds, what a move brought
  bool loaded = false;    // incoming: all there
  bool frozen = false;    // SIGSTOP
  bool woken = false;  // by somebody else: who also speaks to its monitor is beyond what sealift can exclude
  Guest guest = Guest::kStopped;
  StoppedBy stopped_by = StoppedBy::kUs;
};

struct Outgoing {
  Record record;
  enum class Status { kPending, kIn, kRefused } status = Status::kPending;
};

// What a crash leaves.
struct Row {
  bool is_source = false;
  Bytes state;  // encoded
  bool ended = false;
};

struct Host {
  // durable
  std::map<int, Row> journal;
  std::vector<Outgoing> outbox;
  int last_number = 0;
  Copy disk, received, quarantine;
  // outside the daemon
  Qemu qemu;
  std::uint64_t daemon_down_until = 0;
  std::uint64_t ledger_away_until = 0;
  int starts_to_fail = 0;
  // the daemon's memory
  struct Memory {
    int move = 0;  // the unfinished one; 0: none
    std::optional<source::State> source_state;
    std::optional<destination::State> destination_state;
    std::deque<source::Event> source_events;
    std::deque<destination::Event> destination_events;
    std::deque<custody::Action<source::Deed>> source_actions;
    std::deque<custody::Action<destination::Deed>> destination_actions;
    std::string seen;  // the last ledger fact handed in
    bool transferring = false;
    bool converged = false;
    bool switchover = false;
    bool deadline_told = false;
    std::uint64_t lonely_since = 0;  // transferring without a session since
  };
  bool daemon = true;
  Memory memory;
};

struct Session {
  int move = 0;
  bool alive = false;
  std::deque<std::pair<custody::Message, std::string>> to[2];
};

class World {
 public:
  World(custody::MoveMode mode, Machines machines);

  bool start_move(int from);  // the operator's wish; false: this host may not now
  void inject(Fault fault, int host, std::uint64_t duration);
  // One small thing; `pick` chooses among what is possible, of that many. False: only time passed.
  bool step(const std::function<std::size_t(std::size_t)>& pick);
  void end_faults();                    // nothing fails any more
  void lossy(bool on) { lossy_ = on; }  // answers of the ledger get lost
  void trace(bool on) { tracing_ = on; }
  bool settled() const;                                // no unfinished or open move, nothing on its way
  std::string final_error() const;                     // empty: exactly one host runs it or can start it
  const std::string& error() const { return error_; }  // first broken invariant
  std::string diagram(std::size_t lines_max) const;
  int owner() const { return ledger_.owner(); }
  bool can_move() const { return !guest_idle_; }  // a suspended or paused guest is not moved live

 private:
  enum class Do {
    kBoot,
    kAct,
    kEvent,
    kSubmit,
    kSubmitNoReply,
    kObserve,
    kAbortUnknown,
    kReceive,
    kDeadline,
    kLonely,
    kStartAtRest,
    kConnect,
    kProgress
  };
  struct Choice {
    Do what;
    int host;
  };
  void collect(std::vector<Choice>& out) const;
  void collect_for(int h, std::vector<Choice>& out) const;
  void perform(const Choice& choice);
  // daemon (world_host.cpp)
  void boot(int h);
  void act(int h);
  void take_event(int h);
  void run(int h, source::Deed deed);
  void run(int h, destination::Deed deed);
  void cont(int h);
  void start_received(int h);
  void start_disks(int h);
  void send(int h, const custody::Send& send);
  void submit(int h, int move, RecordKind kind);
  void journal(int h);
  void adopt(int h, source::Step step);
  void adopt(int h, destination::Step step);
  void tell(int h, source::EventKind kind, std::string reason = {}, RecordKind record = RecordKind::kOffer);
  void tell(int h, destination::EventKind kind, std::string reason = {},
            RecordKind record = RecordKind::kAccept);
  void forget_if_ended(int h);
  // between them (world_net.cpp)
  bool ledger_reachable(int h) const;
  const Outgoing* pending(int h) const;
  void deliver_record(int h, bool reply);
  int offer_for(int h) const;     // a move that this host does not know and may accept; 0: none
  int unknown_move(int h) const;  // an open one that the journal does not know or has ended; 0: none
  std::string fact(int h) const;
  void observe(int h);
  void receive(int h);
  bool can_connect() const;
  bool can_progress() const;
  void progress();
  void lose_session();
  bool may_start_at_rest(int h) const;
  void guest_fault(Fault fault, int h);
  // the world itself (world.cpp)
  void start_guest(int h);
  void wake(int h);
  void end_qemu(int h);
  bool running(int h) const;
  void check();
  void broken(std::string what);
  void note(int column, std::string text);  // 0, 1: hosts; 2: ledger
  bool live() const { return terms_.mode == custody::MoveMode::kLive; }
  bool is_source(int h) const { return hosts_[h].memory.source_state.has_value(); }

  custody::MoveTerms terms_;
  Machines machines_;
  Host hosts_[2];
  LedgerModel ledger_;
  Session session_;
  std::vector<Record> sent_;
  std::map<int, std::set<std::string>> seals_;
  std::uint64_t now_ = 0;
  std::uint64_t rejoin_at_ = 0;
  int newest_ = 1;  // content version
  int moves_ = 0;
  int records_ = 0;
  int nonce_ = 0;
  bool tamper_ = false;
  bool guest_idle_ = false;
  bool lossy_ = false;
  bool tracing_ = false;
  std::string error_;
  std::vector<std::pair<int, std::string>> trace_;
};

}  // namespace sealift::sim
