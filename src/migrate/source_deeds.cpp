#include <csignal>

#include "migrate/source_driver.hpp"
#include "migrate/statement.hpp"

// What the source does to its QEMU and its VM. Every deed may come again after a crash.

namespace sealift::migrate {

using namespace std::chrono_literals;
using hypervisor::MigrationPhase;
using hypervisor::RunState;

namespace {

constexpr Milliseconds kQmpPatience{5'000};
constexpr Milliseconds kCancelPatience{10'000};  // until QEMU's migration has ended, its sockets cut
constexpr Milliseconds kContPatience{10'000};
constexpr Milliseconds kClearPatience{3'000};
constexpr Milliseconds kFreshPatience{1'000};
constexpr Milliseconds kFreshColdPatience{5'000};  // no guest waits for it
constexpr Milliseconds kFenceAgain{5'000};

}  // namespace

std::shared_ptr<hypervisor::Machine> SourceDriver::machine() {
  if (agreed_.mode() == custody::MoveMode::kCold) return nullptr;
  if (!machine_ || machine_->process_state() == ProcessState::kGone) {
    const auto vm = host().find(row_.vm.text());
    machine_ = vm ? vm->machine : nullptr;
  }
  if (machine_ && machine_->process_state() == ProcessState::kGone) return nullptr;
  return machine_;
}

void SourceDriver::stop_guest() {
  const auto m = machine();
  if (!m) return tell(EventKind::kQemuGone, "QEMU has ended");
  quorum_.emplace(*options().ledger, *options().random);
  if (traffic() != nullptr) {
    hold_ = traffic()->switching(traffic_move(), kTrafficHoldMax);
    if (!hold_->missing.empty())
      log_warning("move.hold", {{"move", id().hex().substr(0, 12)},
                                {"not_waited_for", fmt::format("{}", fmt::join(hold_->missing, ", "))}});
  }
  const auto before = m->status(Deadline::in(kQmpPatience));
  events_from_ = m->event_position();
  if (!before || before->state != RunState::kRunning)
    return tell(
        EventKind::kStopTooLate,
        before ? "the guest did not run when it was to be stopped: " + before->word : before.error().message);
  const Status stopped = m->stop(Deadline::in(kQmpPatience));
  at_.stopped = std::chrono::steady_clock::now();
  if (!stopped) return tell(EventKind::kStopTooLate, stopped.error().message);
  const auto after = m->status(Deadline::in(kQmpPatience));
  // With the acknowledgement held, both words mean that the stop was ours (reference/qemu.md 4.6).
  const bool ours = after && !after->running &&
                    (after->state == RunState::kPaused || after->state == RunState::kFinishMigrate);
  const Status quiet = no_resume();
  if (!ours || !quiet)
    return tell(EventKind::kStopTooLate, !quiet  ? quiet.error().message
                                         : after ? after->word
                                                 : after.error().message);
  tell(EventKind::kGuestStopped);
}

// Every event since just before our stop: the guest must not have run again, ended or suspended.
Status SourceDriver::no_resume() {
  const auto m = machine();
  if (!m) return fail(Code::kUnavailable, "QEMU has ended");
  std::uint64_t position = events_from_;
  while (position < m->event_position()) {
    const auto event = SEALIFT_TRY(m->next_event(position, Deadline::in(kQmpPatience), stop_.token()));
    switch (event.kind) {
      case hypervisor::EventKind::kResume:
      case hypervisor::EventKind::kShutdown:
      case hypervisor::EventKind::kSuspend:
      case hypervisor::EventKind::kWakeup:
      case hypervisor::EventKind::kReset:
      case hypervisor::EventKind::kGuestPanicked:
      case hypervisor::EventKind::kDiskError:
      case hypervisor::EventKind::kLost:
        return fail(Code::kRefused, "QEMU reported {} after the stop", event.word);
      case hypervisor::EventKind::kMigration:
        // With SHUT held it cannot have completed; failed or cancelled is somebody else's doing.
        if (event.phase == MigrationPhase::kCompleted || event.phase == MigrationPhase::kFailed ||
            event.phase == MigrationPhase::kCancelling || event.phase == MigrationPhase::kCancelled)
          return fail(Code::kRefused, "QEMU's migration is {} already", to_string(event.phase));
        break;
      case hypervisor::EventKind::kMigrationPass:
      case hypervisor::EventKind::kStop:
      case hypervisor::EventKind::kPowerdown:
      case hypervisor::EventKind::kOther: break;
    }
  }
  return {};
}

void SourceDriver::last_round() {
  const auto copy = *copy_.lock();
  if (!copy) return tell(EventKind::kFailed, "nothing was copied");
  const Status durable = copy->last_round(hurry_.token());
  at_.round_durable = std::chrono::steady_clock::now();
  if (!durable) return tell(EventKind::kFailed, durable.error().message);
  tell(EventKind::kLastRoundDurable);
}

void SourceDriver::continue_switchover() {
  const auto copy = *copy_.lock();
  if (!copy) return tell(EventKind::kFailed, "nothing was copied");
  const Status going = copy->continue_switchover(hurry_.token());
  if (!going) tell(EventKind::kFailed, going.error().message);
}

void SourceDriver::freeze() {
  at_.ready = std::chrono::steady_clock::now();
  const Status safe = check_and_freeze();
  at_.frozen = std::chrono::steady_clock::now();
  if (!safe) return tell(EventKind::kFreezeUnsafe, safe.error().message);
  Event event{EventKind::kFrozen};
  event.data = encode_statement((*copy_.lock())->parts());
  box_.push(std::move(event));
}

Status SourceDriver::check_and_freeze() {
  const auto copy = *copy_.lock();
  if (!copy) return fail(Code::kRefused, "nothing was copied in this session");
  if (agreed_.mode() == custody::MoveMode::kCold) {
    const auto vm = SEALIFT_TRY(host().find(row_.vm.text()));
    if (vm.machine) return fail(Code::kRefused, "the VM was started meanwhile");
    quorum_.emplace(*options().ledger, *options().random);
    return quorum_->fresh(kFreshColdPatience);
  }
  const auto m = machine();
  if (!m) return fail(Code::kUnavailable, "QEMU has ended");
  SEALIFT_TRY_STATUS(m->freeze(Deadline::in(kQmpPatience)));
  SEALIFT_TRY_STATUS(no_resume());
  SEALIFT_TRY_STATUS(copy->whole());
  if (!quorum_) return fail(Code::kRefused, "the ledger was not asked");
  SEALIFT_TRY_STATUS(copy->end_streams(hurry_.token()));
  SEALIFT_TRY_STATUS(copy->whole());
  return quorum_->fresh(kFreshPatience);
}

void SourceDriver::ensure_frozen() {
  const auto m = machine();
  if (!m) return;
  if (m->process_state() != ProcessState::kStopped) (void)m->stop(Deadline::in(1s));
  const Status frozen = m->freeze(Deadline::in(kQmpPatience));
  if (!frozen && m->process_state() == ProcessState::kRunning) {
    (void)process::signal(m->process(), SIGSTOP);
    say(LogLevel::kError, "move.freeze", frozen.error().message);
  }
}

void SourceDriver::cut_sockets() {
  if (const auto copy = *copy_.lock()) copy->cut();
}

// Bounded, and not ended by a stop of the daemon: a guest that stands still only for a move goes on first.
void SourceDriver::cont() {
  const auto m = machine();
  if (!m) return tell(EventKind::kQemuGone, "QEMU has ended");
  const auto end = m->wait_migration_end(Deadline::in(kCancelPatience), {});
  if (!end) say(LogLevel::kWarning, "move.cancel", end.error().message);
  const auto runs = [&] {
    guest_is_back();
    clear_guest(*m);
    tell(EventKind::kGuestRuns);
  };
  const auto status = m->status(Deadline::in(kQmpPatience));
  if (status && (status->running || status->state == RunState::kSuspended ||
                 status->state == RunState::kShutdown || status->state == RunState::kPanicked))
    return runs();
  const Deadline deadline = Deadline::in(kContPatience);
  Status going = m->cont(deadline);
  while (!going && !deadline.passed() && m->process_state() != ProcessState::kGone) {
    Stop{}.sleep(100ms);  // QEMU has not finalised its migration yet
    going = m->cont(deadline);
  }
  if (going) return runs();
  if (m->process_state() == ProcessState::kGone) return tell(EventKind::kQemuGone, "QEMU has ended");
  say(LogLevel::kError, "move.cont",
      "the guest is this host's but could not be continued: " + going.error().message +
          "; sealift vm kill, then start");
  tell(EventKind::kGuestRuns);
}

void SourceDriver::guest_is_back() {
  if (traffic() != nullptr) traffic()->aborted(traffic_move());
}

// One move of a VM at a time: every bitmap of ours is this move's, or was left behind.
void SourceDriver::clear_guest(hypervisor::Machine& machine) {
  const Deadline deadline = Deadline::in(kClearPatience);
  Status clear = machine.unexport_all(deadline);
  if (clear) clear = machine.remove_bitmaps(kBitmapPrefix, deadline);
  if (!clear)
    log_warning("move.clear", {{"move", id().hex().substr(0, 12)}, {"error", clear.error().message}});
}

void SourceDriver::start_from_disks() {
  const auto started = host().start_held(row_.vm);
  if (!started) return tell(EventKind::kStartFailed, started.error().message);
  guest_is_back();
  say(LogLevel::kWarning, "move.power_cut",
      "QEMU had ended while the move was undecided: the guest was started from its disks, as after a power "
      "cut");
  tell(EventKind::kGuestRuns);
}

void SourceDriver::kill() {
  const auto m = machine();
  if (!m) return;
  const Status killed = m->kill(Deadline::in(10s));
  if (!killed) say(LogLevel::kError, "move.kill", killed.error().message);
}

void SourceDriver::fence() {
  kill();
  const auto set_aside = host().quarantine(row_.vm, id(), "moved to " + agreed_.to.text());
  if (set_aside) {
    kept_until_ = *set_aside;
    return tell(EventKind::kFenced);
  }
  fence_again_at_ = std::chrono::steady_clock::now() + kFenceAgain;
  tell(EventKind::kFailed, set_aside.error().message);
}

}  // namespace sealift::migrate
