#include <fmt/format.h>

#include "world.hpp"

namespace sealift::sim {

using Guest = Qemu::Guest;

void World::inject(Fault fault, int h, std::uint64_t duration) {
  Host& host = hosts_[h];
  note(h, fmt::format("*** {} ({})", to_string(fault), duration));
  switch (fault) {
    case Fault::kReboot:
      end_qemu(h);
      if (host.received.version != -1 && !host.received.synced) host.received.version = -2;
      if (host.disk.version != -1 && !host.disk.synced) host.disk.version = -2;
      [[fallthrough]];
    case Fault::kCrashDaemon:
      host.daemon = false;
      host.memory = {};
      host.daemon_down_until = now_ + duration;
      if (session_.alive) lose_session();
      return;
    case Fault::kKillQemu:
      if (!host.qemu.exists) return;
      end_qemu(h);
      tell(h, source::EventKind::kQemuGone);
      return tell(h, destination::EventKind::kQemuGone);
    case Fault::kCutSession:
      if (session_.alive) lose_session();
      return;
    case Fault::kLedgerAway: host.ledger_away_until = now_ + duration; return;
    case Fault::kOperatorAbort:
      tell(h, source::EventKind::kOperatorAbort);
      return tell(h, destination::EventKind::kOperatorAbort);
    case Fault::kDeadline: now_ += LedgerModel::kDeadlineSteps; return;
    case Fault::kStartFails: host.starts_to_fail = duration > 100 ? 2 : 1; return;
    case Fault::kTamper: tamper_ = true; return;
    case Fault::kDiskFull:
      if (running(h)) guest_fault(Fault::kIoPause, h);
      host.starts_to_fail = 1;
      return inject(Fault::kCrashDaemon, h, duration);
    case Fault::kRepeat:
      for (auto& queue : session_.to) {
        const auto messages = queue;
        queue.insert(queue.end(), messages.begin(), messages.end());
      }
      for (Host& told : hosts_) told.memory.seen.clear();
      return;
    case Fault::kReplay:
      for (const Record& record : sent_) ledger_.apply(record, now_);
      return;
    case Fault::kExpel: {
      const LedgerMove* move = ledger_.find(moves_);
      if (move == nullptr || move->status != MoveStatus::kCommitted) return;
      ledger_.expel(move->from);
      rejoin_at_ = now_ + duration;
      return;
    }
    case Fault::kRecover: {
      const LedgerMove* move = ledger_.find(moves_);
      if (move == nullptr || move->status != MoveStatus::kAccepted) return;
      const auto row = hosts_[move->to].journal.find(moves_);
      if (row == hosts_[move->to].journal.end()) return;
      const auto there = destination::decode(row->second.state);
      if (!there || !std::holds_alternative<destination::Committing>(*there)) return;
      const int from = move->from;
      ledger_.recover(moves_);
      rejoin_at_ = now_ + duration;
      return inject(Fault::kReboot, from, duration);
    }
    case Fault::kWake: host.qemu.woken |= host.qemu.frozen; return wake(h);
    case Fault::kMonitor:
      if (!host.qemu.exists || host.qemu.incoming || host.qemu.frozen || host.qemu.woken) return;
      if (host.qemu.guest != Guest::kStopped) return;
      start_guest(h);
      return tell(h, source::EventKind::kResumeSeen);
    case Fault::kPowerOff:
    case Fault::kReset:
    case Fault::kSuspend:
    case Fault::kIoPause:
      if (running(h)) guest_fault(fault, h);
      return;
  }
}

void World::end_faults() {
  lossy_ = tamper_ = false;
  for (Host& host : hosts_) host.starts_to_fail = 0;
}

void World::guest_fault(Fault fault, int h) {
  Qemu& qemu = hosts_[h].qemu;
  if (fault == Fault::kPowerOff) end_qemu(h);
  if (fault == Fault::kSuspend) qemu.guest = Guest::kSuspended;
  if (fault == Fault::kIoPause) {
    qemu.guest = Guest::kStopped;
    qemu.stopped_by = Qemu::StoppedBy::kError;
  }
  guest_idle_ |= fault == Fault::kSuspend || fault == Fault::kIoPause;
  tell(h, source::EventKind::kGuestEnded);
  if (fault == Fault::kPowerOff) {
    tell(h, source::EventKind::kQemuGone);
    tell(h, destination::EventKind::kQemuGone);
  }
}

}  // namespace sealift::sim
