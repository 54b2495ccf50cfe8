#include "migrate/destination_driver.hpp"

#include <csignal>

// What the destination does to its QEMU and to what it received. Every deed may come again after a crash.

namespace sealift::migrate {

using namespace std::chrono_literals;
using hypervisor::RunState;

namespace {

constexpr Milliseconds kQmpPatience{5'000};
constexpr Milliseconds kKillPatience{10'000};
constexpr int kContTries = 50;  // a lock that a qemu-nbd just gave up may need a moment

}  // namespace

void DestinationDriver::perform(Deed deed) {
  switch (deed) {
    case Deed::kBeginReceive: return begin_receive();
    case Deed::kSync: return sync();
    case Deed::kFindIncoming: return find_incoming();
    case Deed::kAdoptIncoming: return tidy(host().adopt_incoming(id()), "taking the VM into the inventory");
    case Deed::kStartGuest: return start_guest();
    case Deed::kStartFromDisks: return start_from_disks();
    case Deed::kKill: return kill();
    case Deed::kEnsureFrozen: return ensure_frozen();
    case Deed::kDestroyIncoming: {
      stop_receiving();
      if (const auto receive = *receive_.lock()) receive->cut();
      *receive_.lock() = nullptr;
      return tidy(host().destroy_incoming(id()), "erasing what was received");
    }
    case Deed::kQuarantine: {
      *receive_.lock() = nullptr;
      return tidy(host().quarantine_incoming(id(), "recovered elsewhere"), "setting what was received aside");
    }
  }
}

void DestinationDriver::tidy(Status status, std::string_view what) {
  for (int again = 0; !status && again < 3; ++again) {
    if (stop_.token().sleep(500ms)) return;
    status = what.starts_with("erasing") ? host().destroy_incoming(id()) : std::move(status);
  }
  if (!status) say(LogLevel::kError, "move.tidy", fmt::format("{} failed: {}", what, status.error().message));
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
    return;
  }
  if (m->process_state() == ProcessState::kGone) return tell(EventKind::kQemuGone, started.error().message);
  // A refusal in words proves that it did not run; an answer that did not come proves nothing.
  const auto status = m->status(Deadline::in(kQmpPatience));
  if (status && status->running) return running();
  const bool refused = started.error().code != Code::kTimeout && started.error().code != Code::kUnavailable;
  if (refused && status) return tell(EventKind::kStartFailed, started.error().message);
  tell(EventKind::kQemuGone, "its QEMU does not answer: " + started.error().message);
}

void DestinationDriver::start_from_disks() {
  const auto running = [&](const char* how) {
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
