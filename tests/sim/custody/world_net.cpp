#include <fmt/format.h>

#include "world.hpp"

// Between the daemons: the ledger's records and answers, the session, the bulk transfer, and what can be done
// next.

namespace sealift::sim {

namespace {

constexpr std::uint64_t kLonelySteps = 100;

}  // namespace

void World::collect(std::vector<Choice>& out) const {
  for (int h : {0, 1}) collect_for(h, out);
  if (can_connect()) out.push_back({Do::kConnect, 0});
  if (can_progress()) out.push_back({Do::kProgress, 0});
}

void World::collect_for(int h, std::vector<Choice>& out) const {
  const Host& host = hosts_[h];
  if (!host.daemon) {
    if (now_ >= host.daemon_down_until) out.push_back({Do::kBoot, h});
    return;
  }
  const Host::Memory& memory = host.memory;
  if (!memory.source_actions.empty() || !memory.destination_actions.empty())
    out.push_back({Do::kAct, h});
  else if (!memory.source_events.empty() || !memory.destination_events.empty())
    out.push_back({Do::kEvent, h});
  if (session_.alive && session_.move == memory.move && !session_.to[h].empty())
    out.push_back({Do::kReceive, h});
  if (ledger_reachable(h)) {
    if (pending(h) != nullptr) {
      out.push_back({Do::kSubmit, h});
      if (lossy_) out.push_back({Do::kSubmitNoReply, h});
    }
    if (fact(h) != memory.seen || offer_for(h) != 0) out.push_back({Do::kObserve, h});
    if (unknown_move(h) != 0) out.push_back({Do::kAbortUnknown, h});
    if (may_start_at_rest(h)) out.push_back({Do::kStartAtRest, h});
  }
  if (memory.move == 0) return;
  const LedgerMove* move = ledger_.find(memory.move);
  if (move != nullptr && now_ > move->deadline && !memory.deadline_told) out.push_back({Do::kDeadline, h});
  if (memory.transferring && !session_.alive && now_ > memory.lonely_since + kLonelySteps)
    out.push_back({Do::kLonely, h});
}

void World::perform(const Choice& choice) {
  const int h = choice.host;
  Host& host = hosts_[h];
  switch (choice.what) {
    case Do::kBoot: return boot(h);
    case Do::kAct: return act(h);
    case Do::kEvent: return take_event(h);
    case Do::kSubmit: return deliver_record(h, true);
    case Do::kSubmitNoReply: return deliver_record(h, false);
    case Do::kObserve: return observe(h);
    case Do::kAbortUnknown: return submit(h, unknown_move(h), RecordKind::kAbort);
    case Do::kReceive: return receive(h);
    case Do::kDeadline:
      host.memory.deadline_told = true;
      tell(h, source::EventKind::kDeadline);
      return tell(h, destination::EventKind::kDeadline);
    case Do::kLonely:
      host.memory.transferring = false;
      tell(h, source::EventKind::kSessionLost);
      return tell(h, destination::EventKind::kSessionLost);
    case Do::kStartAtRest:
      note(h, "starts the VM at rest");
      host.qemu.exists = true;
      return start_guest(h);
    case Do::kConnect:
      session_ = {};
      session_.alive = true;
      session_.move = hosts_[0].memory.move;
      return note(2, "session");
    case Do::kProgress: return progress();
  }
}

bool World::ledger_reachable(int h) const {
  return now_ >= hosts_[h].ledger_away_until && ledger_.member(h);
}

const Outgoing* World::pending(int h) const {
  for (const Outgoing& outgoing : hosts_[h].outbox)
    if (outgoing.status == Outgoing::Status::kPending) return &outgoing;
  return nullptr;
}

void World::deliver_record(int h, bool reply) {
  for (Outgoing& outgoing : hosts_[h].outbox) {
    if (outgoing.status != Outgoing::Status::kPending) continue;
    const Record& record = outgoing.record;
    sent_.push_back(record);
    const auto refusal = ledger_.apply(record, now_);
    note(2, fmt::format("{} {}: {}", custody::to_string(record.kind), record.move,
                        refusal ? *refusal : "final"));
    if (!reply) return;
    outgoing.status = refusal ? Outgoing::Status::kRefused : Outgoing::Status::kIn;
    if (!refusal || hosts_[h].memory.move != record.move) return;
    tell(h, source::EventKind::kRefused, *refusal, record.kind);
    return tell(h, destination::EventKind::kRefused, *refusal, record.kind);
  }
}

int World::offer_for(int h) const {
  const auto open = ledger_.open_move();
  if (!open || hosts_[h].memory.move != 0 || hosts_[h].journal.contains(*open)) return 0;
  const LedgerMove* move = ledger_.find(*open);
  return move->to == h && move->status == MoveStatus::kOffered && now_ < move->deadline ? *open : 0;
}

int World::unknown_move(int h) const {
  const auto open = ledger_.open_move();
  if (!open || *open == hosts_[h].memory.move) return 0;
  for (const Outgoing& outgoing : hosts_[h].outbox)
    if (outgoing.record.move == *open && outgoing.record.kind == RecordKind::kAbort) return 0;
  const auto row = hosts_[h].journal.find(*open);
  if (row != hosts_[h].journal.end()) return row->second.ended ? *open : 0;
  return ledger_.find(*open)->from == h ? *open : 0;
}

std::string World::fact(int h) const {
  const LedgerMove* move = ledger_.find(hosts_[h].memory.move);
  if (move == nullptr || hosts_[h].memory.move == 0) return {};
  if (move->recovered) return is_source(h) ? "recovered to the other" : "recovered to us";
  if (move->closed) return is_source(h) ? "closed" : "started";
  switch (move->status) {
    case MoveStatus::kOffered: return {};
    case MoveStatus::kAccepted: return "accepted";
    case MoveStatus::kCommitted: return "committed";
    case MoveStatus::kStarted: return "started";
    case MoveStatus::kReturned: return "returned";
    case MoveStatus::kAborted: return "aborted";
  }
  return {};
}

void World::observe(int h) {
  Host::Memory& memory = hosts_[h].memory;
  if (const int offer = offer_for(h)) {
    memory.move = offer;
    return adopt(h, destination::begin(terms_));
  }
  memory.seen = fact(h);
  const auto both = [&](source::EventKind a, destination::EventKind b) { tell(h, a), tell(h, b); };
  using S = source::EventKind;
  using D = destination::EventKind;
  if (memory.seen == "accepted") both(S::kAccepted, D::kAccepted);
  if (memory.seen == "committed") both(S::kCommitted, D::kCommitted);
  if (memory.seen == "started") both(S::kStarted, D::kStarted);
  if (memory.seen == "returned") both(S::kReturned, D::kReturned);
  if (memory.seen == "aborted") both(S::kAborted, D::kAborted);
  if (memory.seen == "recovered to the other") tell(h, S::kRecoveredToOther);
  if (memory.seen == "recovered to us") tell(h, D::kRecoveredToUs);
  if (memory.seen == "closed") tell(h, S::kClosed);
}

void World::receive(int h) {
  const auto [message, text] = session_.to[h].front();
  session_.to[h].pop_front();
  switch (message) {
    case custody::Message::kReady: return tell(h, source::EventKind::kPeerReady);
    case custody::Message::kCancelled:
      tell(h, source::EventKind::kPeerCancelled);
      return tell(h, destination::EventKind::kPeerCancelled);
    case custody::Message::kSeal: {
      if (is_source(h)) return;
      const bool equal = text.starts_with(fmt::format("content {} ", hosts_[h].received.version));
      tell(h, equal ? destination::EventKind::kSealEqual : destination::EventKind::kSealDiffers);
      hosts_[h].memory.destination_events.back().data = to_bytes(text);
      return;
    }
  }
}

bool World::can_connect() const {
  const Host::Memory& a = hosts_[0].memory;
  const Host::Memory& b = hosts_[1].memory;
  return !session_.alive && a.move != 0 && a.move == b.move && a.transferring && b.transferring &&
         hosts_[0].daemon && hosts_[1].daemon;
}

bool World::can_progress() const {
  if (!session_.alive) return false;
  const int s = is_source(0) ? 0 : 1;
  const Host& from = hosts_[s];
  const Host& to = hosts_[1 - s];
  if (!from.memory.source_state || !to.memory.destination_state) return false;
  const bool receiving = std::holds_alternative<destination::Receiving>(*to.memory.destination_state);
  if (!receiving || to.memory.converged) return false;
  if (!live()) return true;
  if (!from.memory.converged) return std::holds_alternative<source::Copying>(*from.memory.source_state);
  return from.memory.switchover && from.qemu.exists && !from.qemu.frozen && !running(s) && to.qemu.exists;
}

void World::progress() {
  const int s = is_source(0) ? 0 : 1;
  Host& from = hosts_[s];
  Host& to = hosts_[1 - s];
  if (live() && !from.memory.converged) {
    from.memory.converged = true;
    return tell(s, source::EventKind::kConverged);
  }
  to.memory.converged = true;
  to.received = {tamper_ ? -3 : from.disk.version, false, to.memory.move};
  tamper_ = false;
  to.qemu.loaded = live();
  note(2, fmt::format("content {} received", from.disk.version));
  tell(1 - s, destination::EventKind::kLoaded);
}

void World::lose_session() {
  session_ = {};
  note(2, "session lost");
  for (int h : {0, 1}) {
    Host::Memory& memory = hosts_[h].memory;
    if (!hosts_[h].daemon || memory.move == 0) continue;
    const bool resumes =
        !live() && (is_source(h) ? std::holds_alternative<source::Copying>(*memory.source_state)
                                 : std::holds_alternative<destination::Receiving>(*memory.destination_state));
    memory.lonely_since = now_;
    if (resumes) continue;
    memory.transferring = false;
    tell(h, source::EventKind::kSessionLost);
    tell(h, destination::EventKind::kSessionLost);
  }
}

bool World::may_start_at_rest(int h) const {
  const Host& host = hosts_[h];
  return live() && host.daemon && host.memory.move == 0 && !host.qemu.exists && host.disk.version >= 0 &&
         ledger_.owner() == h && !ledger_.open_move();
}

}  // namespace sealift::sim
