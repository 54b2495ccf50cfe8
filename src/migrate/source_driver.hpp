#pragma once

// The source's driver: dials the destination, copies, stops, freezes, seals, fences (custody/source.hpp).
// Three threads: the move's own (events, short deeds), one that reads the peer's messages, one that copies.

#include <thread>

#include "migrate/conversation.hpp"
#include "migrate/custody/source.hpp"
#include "migrate/driver.hpp"
#include "migrate/fresh_quorum.hpp"
#include "migrate/source_copy.hpp"

namespace sealift::migrate {

struct SourceMachine {
  using State = custody::source::State;
  using Event = custody::source::Event;
  using EventKind = custody::source::EventKind;
  using Deed = custody::source::Deed;
  static custody::source::Step begin(const custody::MoveTerms& t) { return custody::source::begin(t); }
  static custody::source::Step step(const custody::MoveTerms& t, const State& s, const Event& e) {
    return custody::source::step(t, s, e);
  }
  static Bytes encode(const State& s) { return custody::source::encode(s); }
  static Result<State> decode(ByteView b) { return custody::source::decode(b); }
  static bool ended(const State& s) { return custody::source::ended(s); }
  static std::string_view name(const State& s) { return custody::source::name(s); }
  static std::string_view word(EventKind k) { return custody::source::to_string(k); }
};

class SourceDriver final : public CustodyDriver<SourceMachine> {
 public:
  using Deed = custody::source::Deed;
  using EventKind = custody::source::EventKind;

  // conversation: of the pre-flight; none after a restart.
  SourceDriver(const Surroundings& around, MoveRow row, Agreed agreed,
               std::shared_ptr<Conversation> conversation);
  ~SourceDriver() override;

  Result<std::string> abort() override;
  void stop() override;
  Result<std::string> tune(std::optional<std::uint64_t> bandwidth,
                           std::optional<std::uint64_t> max_downtime_ms) override;

 private:
  void perform(Deed deed) override;
  void send(const custody::Send& send) override;
  std::optional<EventKind> fact(const ledger::State& state) const override;
  std::pair<Bytes, std::string> record_details(custody::RecordKind kind, const State& state) const override;
  void entered(const State& state) override;
  bool look_at_clock() override;
  bool releases(const State& state) const override;
  void finish(const State& state) override;
  void quit() override;

  // Session (source_session.cpp).
  Result<std::shared_ptr<Conversation>> converse(const Stop& stop);  // the one that stands, or a new one
  Status say_begin(Conversation& talk, const Stop& stop);
  void listen(const std::shared_ptr<Conversation>& talk);
  void take(const protocol::Message& message);
  void hang_up(const Error& why);

  // Copying (source_session.cpp).
  void begin_copy();
  void copy_cold(const Stop& stop);
  Status copy_cold_once(const Stop& stop);
  void copy_live(const Stop& stop);
  Status copy_live_once(const Stop& stop);
  void stop_copying();
  Result<CopyPlan> copy_plan(std::shared_ptr<Conversation> talk);

  // Deeds.
  void stop_guest();
  void last_round();
  void continue_switchover();
  void freeze();
  Status check_and_freeze();
  void ensure_frozen();
  void cut_sockets();
  void cont();
  void clear_guest(hypervisor::Machine& machine);  // bitmaps and exports, also an earlier daemon's
  void start_from_disks();
  void kill();
  void fence();
  std::shared_ptr<hypervisor::Machine> machine();
  Status no_resume();  // no RESUME, suspend or end of the guest since our stop
  MoveReport report(const std::string& source);
  void guest_is_back();  // on any way back

  struct Talk {
    std::shared_ptr<Conversation>
        conversation;    // shared: the reader, the copier and the move's thread use it
    bool begun = false;  // `begin` was said in it
  };
  Guarded<Talk> talk_;
  PeerInbox inbox_;
  std::jthread reader_;
  std::jthread copier_;
  StopSource copier_stop_;
  StopSource hurry_;  // an abort was asked for, or the daemon ends: no deed before the seal waits any longer
  std::atomic<bool> copying_{false};
  Guarded<std::shared_ptr<SourceCopy>> copy_;     // shared: the copier makes it, the move's thread uses it
  std::shared_ptr<hypervisor::Machine> machine_;  // shared with the host
  std::optional<FreshQuorum> quorum_;
  std::uint64_t events_from_ = 0;  // position in the machine's events at our stop
  std::atomic<std::uint64_t> bandwidth_;
  std::atomic<std::uint64_t> max_downtime_ms_;
  bool begin_due_ = true;  // the peer does not know yet that the offer is final
  bool deadline_told_ = false;
  bool patience_told_ = false;
  bool qemu_gone_told_ = false;
  std::optional<SteadyTime> sealed_at_;
  std::optional<SteadyTime> fence_again_at_;
  std::optional<WallTime> kept_until_;  // the disks, in quarantine
  struct Moments {
    std::optional<SteadyTime> stopped, round_durable, ready, frozen, sealed;
  };
  Moments at_;
  std::optional<TrafficHold> hold_;  // before our stop
  SteadyTime began_at_ = std::chrono::steady_clock::now();
};

}  // namespace sealift::migrate
