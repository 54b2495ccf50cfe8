#pragma once

// The destination's driver: receives, compares with the source's seal, commits, starts
// (custody/destination.hpp). Three threads: the move's own, the session's (messages; serve()), one that
// receives.

#include <thread>

#include "migrate/custody/destination.hpp"
#include "migrate/destination_receive.hpp"
#include "migrate/driver.hpp"

namespace sealift::migrate {

struct DestinationMachine {
  using State = custody::destination::State;
  using Event = custody::destination::Event;
  using EventKind = custody::destination::EventKind;
  using Deed = custody::destination::Deed;
  static custody::destination::Step begin(const custody::MoveTerms& t) {
    return custody::destination::begin(t);
  }
  static custody::destination::Step step(const custody::MoveTerms& t, const State& s, const Event& e) {
    return custody::destination::step(t, s, e);
  }
  static Bytes encode(const State& s) { return custody::destination::encode(s); }
  static Result<State> decode(ByteView b) { return custody::destination::decode(b); }
  static bool ended(const State& s) { return custody::destination::ended(s); }
  static std::string_view name(const State& s) { return custody::destination::name(s); }
  static std::string_view word(EventKind k) { return custody::destination::to_string(k); }
};

class DestinationDriver final : public CustodyDriver<DestinationMachine> {
 public:
  using Deed = custody::destination::Deed;
  using EventKind = custody::destination::EventKind;

  DestinationDriver(const Surroundings& around, MoveRow row, Agreed agreed);
  ~DestinationDriver() override;

  // The move's session: reads its messages on the caller's thread until it ends or the move does. Called
  // again for a later session of a cold move.
  void serve(const std::shared_ptr<Conversation>& talk, const Stop& stop);
  Result<std::string> abort() override;
  Result<std::string> tune(std::optional<std::uint64_t> bandwidth,
                           std::optional<std::uint64_t> max_downtime_ms) override;

 private:
  void perform(Deed deed) override;
  void send(const custody::Send& send) override;
  std::optional<EventKind> fact(const ledger::State& state) const override;
  std::pair<Bytes, std::string> record_details(custody::RecordKind kind, const State& state) const override;
  void entered(const State& state) override;
  bool look_at_clock() override;
  void finish(const State& state) override;
  void quit() override;
  void fill(Event& event) override;

  void take(const protocol::Message& message);
  void take_seal(const Bytes& envelope);
  Status check_seal(const Bytes& envelope);

  void begin_receive();
  void receive(const Stop& stop);
  Status receive_once(const std::shared_ptr<Conversation>& talk, const Stop& stop);
  Result<std::shared_ptr<Conversation>> wait_talk(Deadline deadline, const Stop& stop);
  void stop_receiving();
  bool resumes() const;

  // Deeds (destination_deeds.cpp).
  void sync();
  void find_incoming();
  void start_guest();
  void start_from_disks();
  void kill();
  void ensure_frozen();
  void adopt();
  void destroy();
  void quarantine();
  void start(Deed how);  // at once, or when the VM is in the inventory
  void look_at_repeats();
  std::shared_ptr<hypervisor::Machine> machine();
  void say_timing();
  void guest_has_moved();

  struct Talk {
    std::shared_ptr<Conversation> conversation;  // shared: reader, receiver and the move's thread use it
  };
  Guarded<Talk> talk_;
  PeerInbox inbox_;
  std::jthread receiver_;
  StopSource receiver_stop_;
  std::atomic<bool> receiving_{false};
  std::atomic<bool> loaded_{false};                       // everything was received
  Guarded<std::shared_ptr<DestinationReceive>> receive_;  // shared: the receiver makes it, the others use it
  std::shared_ptr<hypervisor::Machine> machine_;          // shared with the host
  bool deadline_told_ = false;
  bool qemu_gone_told_ = false;
  bool adopted_ = false;
  std::optional<Deed> start_due_;  // until the VM is adopted
  std::optional<SteadyTime> adopt_again_at_, destroy_again_at_;
  std::string how_started_ = "running";
  struct Moments {
    std::optional<SteadyTime> seal, compared, committed, running;
  };
  Guarded<Moments> at_;
};

}  // namespace sealift::migrate
