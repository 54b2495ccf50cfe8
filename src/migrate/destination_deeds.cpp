#include "migrate/destination_driver.hpp"

#include <csignal>

// What the destination does to its QEMU and to what it received. Every deed may come again after a crash.

namespace sealift::migrate {

using namespace std::chrono_literals;
using hypervisor::RunState;

namespace {

constexpr Milliseconds kQmpPatience{5'000};
constexpr Milliseconds kKillPatience{10'000};
constexpr Milliseconds kRepeat{1'000};
constexpr int kContTries = 50;  // a lock that a qemu-nbd just gave up may need a moment

}  // namespace

void DestinationDriver::perform(Deed deed) {
  switch (deed) {
    case Deed::kBeginReceive: return begin_receive();
    case Deed::kSync: return sync();
    case Deed::kFindIncoming: return find_incoming();
    case Deed::kAdoptIncoming: return adopt();
    case Deed::kStartGuest:
    case Deed::kStartFromDisks: return start(deed);
    case Deed::kKill: return kill();
    case Deed::kEnsureFrozen: return ensure_frozen();
    case Deed::kDestroyIncoming: return destroy();
    case Deed::kQuarantine: return quarantine();
  }
}

// Nothing of this VM is started before it has succeeded: a guest that no inventory has would be nobody's.
void DestinationDriver::adopt() {
  adopt_again_at_.reset();
  Status adopted = host().adopt_incoming(id());
  // The move's last deed: its end is not journaled before.
  while (!adopted && DestinationMachine::ended(state())) {
    say(LogLevel::kError, "move.adopt", "the VM is not in the inventory yet: " + adopted.error().message);
    if (stop_.token().sleep(kRepeat)) return;
    adopted = host().adopt_incoming(id());
  }
  adopted_ = adopted.has_value();
  if (adopted_) return;
  adopt_again_at_ = std::chrono::steady_clock::now() + kRepeat;
  say(LogLevel::kError, "move.adopt",
      "the VM is this host's but could not be taken into the inventory, its start waits for that: " +
          adopted.error().message);
}

void DestinationDriver::start(Deed how) {
  if (!adopted_) {
    start_due_ = how;
    return;
  }
  start_due_.reset();
  if (how == Deed::kStartGuest) return start_guest();
  start_from_disks();
}

void DestinationDriver::destroy() {
  destroy_again_at_.reset();
  stop_receiving();
  if (const auto receive = *receive_.lock()) receive->cut();
  *receive_.lock() = nullptr;
  const Status gone = host().destroy_incoming(id());
  if (gone) return tell(EventKind::kErased);
  destroy_again_at_ = std::chrono::steady_clock::now() + kRepeat;
  say(LogLevel::kError, "move.destroy",
      "what was received is not erased yet, the move does not end before: " + gone.error().message);
}

// What failed and must not stay so, tried again.
void DestinationDriver::look_at_repeats() {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (destroy_again_at_ && now >= *destroy_again_at_) destroy();
  if (!adopt_again_at_ || now < *adopt_again_at_) return;
  const bool wanted = std::holds_alternative<custody::destination::Starting>(state()) ||
                      std::holds_alternative<custody::destination::Claiming>(state());
  if (!wanted) {
    adopt_again_at_.reset();
    start_due_.reset();
    return;
  }
  adopt();
  if (adopted_ && start_due_) start(*start_due_);
}

// The move's last deed, as above: its end is not journaled before.
void DestinationDriver::quarantine() {
  *receive_.lock() = nullptr;
  while (true) {
    const Status aside = host().quarantine_incoming(id(), "recovered elsewhere");
    if (aside || aside.error().code == Code::kNotFound) return;
    say(LogLevel::kError, "move.quarantine",
        "what was received is not set aside yet: " + aside.error().message);
    if (stop_.token().sleep(kRepeat)) return;
  }
}

std::shared_ptr<hypervisor::Machine> DestinationDriver::machine() {
  if (agreed_.mode() == custody::MoveMode::kCold) return nullptr;
  if (!machine_ || machine_->process_state() == ProcessState::kGone) {
    auto found = host().incoming_machine(id());
    if (found) {
      machine_ = std::move(*found);
    } else {
      const auto vm = host().find(row_.vm.text());
      machine_ = vm ? vm->machine : nullptr;
    }
  }
  if (machine_ && machine_->process_state() == ProcessState::kGone) return nullptr;
  return machine_;
}

void DestinationDriver::sync() {
  const auto receive = *receive_.lock();
  if (!receive) return tell(EventKind::kFailed, "nothing was received in this session");
  const Status durable = receive->sync();
  if (durable) return tell(EventKind::kSynced);
  tell(EventKind::kFailed, durable.error().message);
}

void DestinationDriver::find_incoming() {
  const auto m = machine();
  if (!m) return tell(EventKind::kQemuGone, "its QEMU has ended");
  const auto status = m->status(Deadline::in(kQmpPatience));
  if (!status || status->state != RunState::kPaused)
    tell(EventKind::kQemuGone, status ? "its QEMU holds no guest: " + status->word : status.error().message);
}

void DestinationDriver::start_guest() {
  const auto running = [&] {
    at_.lock()->running = std::chrono::steady_clock::now();
    tell(EventKind::kGuestRuns);
  };
  if (agreed_.mode() == custody::MoveMode::kCold) {
    how_started_ = "powered off";
    return running();
  }
  const auto m = machine();
  // Nobody has continued it since this state was entered; the machine knows whether an earlier daemon may
  // have.
  if (!m) return tell(EventKind::kStartFailed, "its QEMU had ended before the start");
  Status started = m->cont(Deadline::in(kQmpPatience));
  for (int again = 0; !started && started.error().code == Code::kConflict && again < kContTries; ++again) {
    if (stop_.token().sleep(20ms)) return;
    started = m->cont(Deadline::in(kQmpPatience));
  }
  if (started) {
    running();
    (void)m->announce(Deadline::in(kQmpPatience));
    guest_has_moved();
    return;
  }
  if (m->process_state() == ProcessState::kGone) return tell(EventKind::kQemuGone, started.error().message);
  // A refusal in words proves that it did not run; an answer that did not come proves nothing.
  const auto status = m->status(Deadline::in(kQmpPatience));
  if (status && status->running) {
    guest_has_moved();
    return running();
  }
  const bool refused = started.error().code != Code::kTimeout && started.error().code != Code::kUnavailable;
  if (refused && status) return tell(EventKind::kStartFailed, started.error().message);
  tell(EventKind::kQemuGone, "its QEMU does not answer: " + started.error().message);
}

void DestinationDriver::guest_has_moved() {
  if (traffic() != nullptr) traffic()->moved(traffic_move());
}

void DestinationDriver::start_from_disks() {
  const auto running = [&](const char* how) {
    guest_has_moved();
    how_started_ = how;
    at_.lock()->running = std::chrono::steady_clock::now();
    tell(EventKind::kGuestRuns);
  };
  if (agreed_.mode() == custody::MoveMode::kCold) return running("powered off");
  if (const auto m = machine()) {
    const auto status = m->status(Deadline::in(kQmpPatience));
    if (status && status->running) return running("from its disks");
    const Status killed = m->kill(Deadline::in(kKillPatience));
    if (!killed) return tell(EventKind::kStartFailed, killed.error().message);
    machine_ = nullptr;
  }
  const auto started = host().start_held(row_.vm);
  if (started) {
    machine_ = *started;
    say(LogLevel::kWarning, "move.power_cut",
        "its QEMU had ended: the guest was started from its disks, as after a power cut");
    return running("from its disks");
  }
  how_started_ = "powered off";
  tell(EventKind::kStartFailed, started.error().message);
}

void DestinationDriver::kill() {
  const auto m = machine();
  if (!m) return;
  const Status killed = m->kill(Deadline::in(kKillPatience));
  if (!killed) say(LogLevel::kError, "move.kill", killed.error().message);
}

void DestinationDriver::ensure_frozen() {
  const auto m = machine();
  if (!m) return;
  if (m->process_state() != ProcessState::kStopped) (void)m->stop(Deadline::in(1s));
  const Status frozen = m->freeze(Deadline::in(kQmpPatience));
  if (!frozen) (void)process::signal(m->process(), SIGSTOP);
}

}  // namespace sealift::migrate
