#pragma once

// One move of this host, driven on a thread of its own: the part that source and destination share. It hands
// events to the custody machine and carries out the actions in order (custody/terms.hpp has the rules);
// results of deeds come before facts of the ledger. A move whose journal cannot be written stops being worked
// on, loudly.

#include <atomic>

#include "base/check.hpp"
#include "base/log.hpp"
#include "migrate/agreed.hpp"
#include "migrate/event_box.hpp"
#include "migrate/journal.hpp"
#include "migrate/move_manager.hpp"
#include "migrate/outbox.hpp"

namespace sealift::migrate {

// What every driver uses; the manager's.
struct Surroundings {
  MoveManagerOptions options;
  MoveJournal* journal = nullptr;
  Outbox* outbox = nullptr;
  std::function<void()> changed;  // some move's progress is new
};

class Driver {
 public:
  Driver(const Surroundings& around, MoveRow row, Agreed agreed);
  virtual ~Driver() = default;

  virtual void run() = 0;   // until the move has ended or stop()
  virtual void poke() = 0;  // the ledger has something new
  virtual void stop() = 0;  // the daemon ends; the move goes on at its next start
  virtual void settled(const Outbox::Settled& settled) = 0;
  virtual Result<std::string> abort() = 0;
  virtual Result<std::string> tune(std::optional<std::uint64_t> bandwidth,
                                   std::optional<std::uint64_t> max_downtime_ms) = 0;
  MoveProgress progress() const;
  const ledger::MoveId& id() const { return row_.id; }
  const Agreed& agreed() const { return agreed_; }
  bool done() const { return done_; }

 protected:
  void update(const std::function<void(MoveProgress&)>& change);
  void say(LogLevel level, std::string_view event, const std::string& text);
  // What others owe this move now (empty: nothing). When it does not come it is said aloud, again and again.
  enum class Silence { kIsOrdinary, kIsAlarming };
  void await(const std::string& what, Silence silence = Silence::kIsOrdinary);
  void look_at_silence();
  // Until the phase is none of these, for a moment; the phase then.
  std::string wait_past(const std::vector<std::string_view>& phases);
  bool aborted() const;  // and over
  Status submit(custody::RecordKind kind, ByteView seal, const std::string& words);
  // Why it ended: the machine's own words; without moving, those of the record that ended it.
  std::string why_ended(custody::Outcome outcome, const std::string& own) const;
  // Writes the receipt beside the others; its path, or why not.
  std::string keep_receipt();
  // Of this move: tables, sockets. Short, because a socket's path may have 107 bytes only.
  file::Path scratch() const { return options().directory / "moves" / id().hex().substr(0, 12); }
  LocalHost& host() const { return *around_.options.host; }
  const MoveManagerOptions& options() const { return around_.options; }
  // Who is told of a live move; nobody of a cold one.
  TrafficSwitch* traffic() const {
    return agreed_.mode() == custody::MoveMode::kLive ? options().traffic : nullptr;
  }
  TrafficMove traffic_move() const {
    return {id(), row_.vm, agreed_.request.vm.definition.name, agreed_.epoch, agreed_.from, agreed_.to};
  }

  const Surroundings& around_;
  MoveRow row_;
  const Agreed agreed_;
  std::atomic<bool> done_{false};

 private:
  struct Awaited {
    std::string what;  // empty: nothing, or its silence is ordinary
    WallTime since{};
    SteadyTime say_at{};
  };
  mutable Guarded<MoveProgress> progress_;
  Awaited awaited_;  // the move's own thread's
};

// Machine: State, Event, Deed, begin, step, encode, decode, durable, ended, name; see source_driver.hpp.
template <class Machine>
class CustodyDriver : public Driver {
 public:
  using State = typename Machine::State;
  using Event = typename Machine::Event;
  using EventKind = typename Machine::EventKind;
  using Deed = typename Machine::Deed;
  using Driver::Driver;

  void run() override {
    if (row_.state.empty()) {
      adopt(Machine::begin(agreed_.terms()));
    } else {
      auto state = Machine::decode(row_.state);
      if (!state) return give_up(state.error());
      state_ = std::move(*state);
      show_phase();
      entered(*state_);
      handle(Event{EventKind::kRestarted});
    }
    while (!stop_.stopped() && !broken_ && !Machine::ended(*state_)) {
      if (auto event = box_.try_pop()) {
        handle(*event);
        continue;
      }
      look_at_silence();
      if (look_at_ledger() || look_at_clock()) continue;
      if (auto event = box_.pop(std::chrono::steady_clock::now() + Milliseconds{250})) handle(*event);
    }
    if (!broken_ && stop_.stopped() && releases(*state_)) release_guest();
    if (!broken_ && Machine::ended(*state_)) {
      finish(*state_);
      done_ = true;
      update([](MoveProgress& p) { p.ended = true; });
    }
    quit();
  }
  void poke() override { box_.poke(); }
  void stop() override {
    stop_.stop();
    box_.poke();
  }
  void settled(const Outbox::Settled& settled) override {
    if (settled.status == OutboxStatus::kRefused) {
      Event event{EventKind::kRefused};
      event.record = settled.kind;
      event.reason = settled.reason;
      box_.push(std::move(event));
    }
    box_.poke();
  }

 protected:
  virtual void perform(Deed deed) = 0;
  virtual void send(const custody::Send& send) = 0;
  virtual std::optional<EventKind> fact(const ledger::State& state) const = 0;
  virtual std::pair<Bytes, std::string> record_details(custody::RecordKind kind,
                                                       const State& state) const = 0;
  virtual void entered(const State& /*state*/) {}  // a new kind of state
  virtual bool look_at_clock() { return false; }   // true: an event was handled
  // The daemon ends: does this move keep a guest from running that may run on?
  virtual bool releases(const State& /*state*/) const { return false; }
  virtual void finish(const State& /*state*/) {}  // ended: before it is shown as such
  virtual void quit() {}                          // the thread ends: workers joined, sessions closed

  void tell(EventKind kind, std::string reason = {}) {
    Event event{kind};
    event.reason = std::move(reason);
    box_.push(std::move(event));
  }
  void handle(Event event) {
    fill(event);
    log_debug("move.event", {{"move", id().hex().substr(0, 12)},
                             {"state", Machine::name(*state_)},
                             {"event", custody_word(event.kind)}});
    adopt(Machine::step(agreed_.terms(), *state_, event));
  }
  virtual void fill(Event& /*event*/) {}
  const State& state() const { return *state_; }

  EventBox<Event> box_;
  StopSource stop_;

 private:
  static std::string_view custody_word(EventKind kind) { return Machine::word(kind); }

  // From now on as a crash: the journal says where to go on.
  bool halted() const { return broken_ || (stop_.stopped() && !releasing_); }

  void adopt(custody::Step<State, Deed> step) {
    if (state_ && halted()) return;
    const bool fresh = !state_ || state_->index() != step.state.index();
    // What the ledger has said is said again to each new state: an earlier one may have had no use for it.
    if (!state_ || *state_ != step.state) seen_.reset();
    state_ = std::move(step.state);
    if (fresh) {
      show_phase();
      entered(*state_);
    }
    // A state that was entered is made durable, stop or not: what is in memory and in the journal agrees.
    const bool durable_first =
        !step.actions.empty() && std::holds_alternative<custody::Journal>(step.actions.front());
    if (durable_first) act(step.actions.front());
    for (std::size_t i = durable_first ? 1 : 0; i < step.actions.size() && !halted(); ++i)
      act(step.actions[i]);
  }
  // What a restart would do first is done before the end: the guest does not stand still meanwhile.
  void release_guest() {
    releasing_ = true;
    Event event{EventKind::kRestarted};
    event.reason = "this host's daemon was stopped";
    handle(std::move(event));
    while (!broken_ && !Machine::ended(*state_)) {
      auto left = box_.try_pop();
      if (!left) return;
      handle(std::move(*left));
    }
  }
  void show_phase() {
    const std::string phase(Machine::name(*state_));
    log_info("move.state",
             {{"move", id().hex().substr(0, 12)}, {"role", to_string(row_.role)}, {"state", phase}});
    update([&](MoveProgress& p) { p.phase = phase; });
  }
  void act(const custody::Action<Deed>& action) {
    if (std::holds_alternative<custody::Journal>(action)) {
      const Status kept = around_.journal->set_state(id(), Machine::encode(*state_), Machine::ended(*state_));
      if (!kept) give_up(kept.error());
    } else if (const auto* submit_action = std::get_if<custody::Submit>(&action)) {
      const auto [seal, words] = record_details(submit_action->record, *state_);
      const Status kept = submit(submit_action->record, seal, words);
      if (!kept) give_up(kept.error());
    } else if (const auto* send_action = std::get_if<custody::Send>(&action)) {
      send(*send_action);
    } else if (const auto* report = std::get_if<custody::Report>(&action)) {
      say(report->loudness == custody::Loudness::kAlarm ? LogLevel::kError : LogLevel::kInfo, "move.report",
          report->text);
    } else {
      perform(std::get<Deed>(action));
    }
  }
  bool look_at_ledger() {
    const auto now = fact(*options().ledger->final_state());
    if (!now || now == seen_) return false;
    seen_ = now;
    handle(Event{*now});
    return true;
  }
  void give_up(const Error& error) {
    broken_ = true;
    say(LogLevel::kError, "move.journal_failed",
        "this move is not worked on until the daemon is restarted: " + error.message);
  }

  std::optional<State> state_;
  std::optional<EventKind> seen_;
  bool broken_ = false;
  bool releasing_ = false;
};

}  // namespace sealift::migrate
