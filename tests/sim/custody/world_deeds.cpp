#include <fmt/format.h>

#include "world.hpp"

// What a daemon's deeds do to QEMU and the disks, and the event that reports each result.

namespace sealift::sim {

using Guest = Qemu::Guest;
using StoppedBy = Qemu::StoppedBy;

void World::run(int h, source::Deed deed) {
  using Event = source::EventKind;
  Host& host = hosts_[h];
  Qemu& qemu = host.qemu;
  const bool session = session_.alive && session_.move == host.memory.move;
  switch (deed) {
    case source::Deed::kBeginCopy:
      host.memory.transferring = true;
      host.memory.lonely_since = now_;
      return;
    case source::Deed::kStopGuest:
      if (!qemu.exists) return tell(h, Event::kQemuGone);
      if (!running(h)) return tell(h, Event::kStopTooLate);
      qemu.guest = Guest::kStopped;
      qemu.stopped_by = StoppedBy::kUs;
      return tell(h, Event::kGuestStopped);
    case source::Deed::kLastRound: return tell(h, session ? Event::kLastRoundDurable : Event::kFailed);
    case source::Deed::kContinueSwitchover:
      host.memory.switchover = true;
      if (running(h)) {
        qemu.guest = Guest::kStopped;
        qemu.stopped_by = StoppedBy::kSwitchover;
      }
      return;
    case source::Deed::kFreeze:
      if (live() && (!qemu.exists || running(h) || !session)) return tell(h, Event::kFreezeUnsafe);
      qemu.frozen = live();
      tell(h, Event::kFrozen);
      host.memory.source_events.back().data =
          to_bytes(fmt::format("content {} nonce {}", host.disk.version, ++nonce_));
      return;
    case source::Deed::kEnsureFrozen:
      if (!qemu.exists) return;
      if (running(h)) {
        qemu.guest = Guest::kStopped;
        qemu.stopped_by = StoppedBy::kUs;
      }
      qemu.frozen = true;
      return;
    case source::Deed::kThaw:
    case source::Deed::kCutSockets: return wake(h);
    case source::Deed::kCancelMigration: return;
    case source::Deed::kCont: return cont(h);
    case source::Deed::kStartFromDisks:
      if (!qemu.exists) {
        qemu.exists = true;
        start_guest(h);
      }
      return tell(h, Event::kGuestRuns);
    case source::Deed::kKill: return end_qemu(h);
    case source::Deed::kQuarantine:
      end_qemu(h);
      if (host.disk.version != -1) host.quarantine = host.disk;
      host.disk = {};
      return tell(h, Event::kFenced);
  }
}

void World::cont(int h) {
  Qemu& qemu = hosts_[h].qemu;
  if (!qemu.exists) return tell(h, source::EventKind::kQemuGone);
  if (qemu.guest == Guest::kStopped) start_guest(h);
  tell(h, source::EventKind::kGuestRuns);
}

void World::run(int h, destination::Deed deed) {
  using Event = destination::EventKind;
  Host& host = hosts_[h];
  switch (deed) {
    case destination::Deed::kBeginReceive:
      host.memory.transferring = true;
      host.memory.lonely_since = now_;
      if (host.qemu.exists) broken("an incoming QEMU beside another one of the VM");
      if (host.received.version == -1) host.received = {0, false, host.memory.move};
      if (live()) host.qemu = {.exists = true, .incoming = true};
      return;
    case destination::Deed::kSync: host.received.synced = true; return tell(h, Event::kSynced);
    case destination::Deed::kFindIncoming:
      if (!host.qemu.exists || !host.qemu.loaded) tell(h, Event::kQemuGone);
      return;
    case destination::Deed::kAdoptIncoming:
      if (host.received.version != -1) host.disk = host.received;
      host.received = {};
      return;
    case destination::Deed::kStartGuest: return start_received(h);
    case destination::Deed::kStartFromDisks: return start_disks(h);
    case destination::Deed::kKill: return end_qemu(h);
    case destination::Deed::kEnsureFrozen:
      if (!host.qemu.exists) return;
      host.qemu.guest = Guest::kStopped;
      host.qemu.frozen = true;
      return;
    case destination::Deed::kDestroyIncoming:
      if (host.qemu.incoming) end_qemu(h);
      host.received = {};
      if (host.disk.move == host.memory.move) host.disk = {};
      return tell(h, Event::kErased);
    case destination::Deed::kQuarantine:
      end_qemu(h);
      if (host.received.version != -1) host.quarantine = host.received;
      host.received = {};
      return;
  }
}

void World::start_received(int h) {
  using Event = destination::EventKind;
  Host& host = hosts_[h];
  if (!live()) return tell(h, Event::kGuestRuns);
  if (!host.qemu.exists) return tell(h, Event::kQemuGone);
  if (running(h)) return tell(h, Event::kGuestRuns);
  if (host.starts_to_fail > 0) {
    --host.starts_to_fail;
    return tell(h, Event::kStartFailed);
  }
  start_guest(h);
  tell(h, Event::kGuestRuns);
}

void World::start_disks(int h) {
  using Event = destination::EventKind;
  Host& host = hosts_[h];
  if (!live() || (host.qemu.exists && !host.qemu.incoming)) return tell(h, Event::kGuestRuns);
  end_qemu(h);
  if (host.starts_to_fail > 0) {
    --host.starts_to_fail;
    return tell(h, Event::kStartFailed);
  }
  host.qemu.exists = true;
  start_guest(h);
  tell(h, Event::kGuestRuns);
}

}  // namespace sealift::sim
