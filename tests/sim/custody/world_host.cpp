#include <fmt/format.h>

#include "base/check.hpp"
#include "world.hpp"

// One daemon: it hands events to the machine and carries out its actions, one at a time.

namespace sealift::sim {

namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

}  // namespace

void World::boot(int h) {
  Host& host = hosts_[h];
  host.daemon = true;
  host.memory = {};
  note(h, "daemon starts");
  for (const auto& [move, row] : host.journal) {
    if (row.ended) continue;
    if (host.memory.move != 0) broken("a journal with two unfinished moves of one VM");
    host.memory.move = move;
    if (row.is_source) {
      auto state = source::decode(row.state);
      SEALIFT_CHECK(state.has_value());
      host.memory.source_state = *state;
      tell(h, source::EventKind::kRestarted);
      if (live() && !host.qemu.exists) tell(h, source::EventKind::kQemuGone);
    } else {
      auto state = destination::decode(row.state);
      SEALIFT_CHECK(state.has_value());
      host.memory.destination_state = *state;
      tell(h, destination::EventKind::kRestarted);
    }
  }
}

void World::adopt(int h, source::Step step) {
  Host::Memory& memory = hosts_[h].memory;
  if (!memory.source_state || source::name(*memory.source_state) != source::name(step.state))
    note(h, fmt::format("-> {}", source::name(step.state)));
  if (!memory.source_state || *memory.source_state != step.state) memory.seen.clear();  // told again
  memory.source_state = std::move(step.state);
  for (auto& action : step.actions) memory.source_actions.push_back(std::move(action));
  forget_if_ended(h);
}

void World::adopt(int h, destination::Step step) {
  Host::Memory& memory = hosts_[h].memory;
  if (!memory.destination_state ||
      destination::name(*memory.destination_state) != destination::name(step.state))
    note(h, fmt::format("-> {}", destination::name(step.state)));
  if (!memory.destination_state || *memory.destination_state != step.state) memory.seen.clear();
  memory.destination_state = std::move(step.state);
  for (auto& action : step.actions) memory.destination_actions.push_back(std::move(action));
  forget_if_ended(h);
}

void World::take_event(int h) {
  Host::Memory& memory = hosts_[h].memory;
  if (is_source(h)) {
    const source::Event event = memory.source_events.front();
    memory.source_events.pop_front();
    note(h, fmt::format("event: {}", source::to_string(event.kind)));
    adopt(h, machines_.source(terms_, *memory.source_state, event));
  } else {
    destination::Event event = memory.destination_events.front();
    memory.destination_events.pop_front();
    event.source_is_member = ledger_.member(1 - h);
    note(h, fmt::format("event: {}", destination::to_string(event.kind)));
    adopt(h, machines_.destination(terms_, *memory.destination_state, event));
  }
}

void World::act(int h) {
  Host::Memory& memory = hosts_[h].memory;
  const auto perform = Overloaded{
      [&](const custody::Journal&) { journal(h); },
      [&](const custody::Submit& submit_action) { submit(h, memory.move, submit_action.record); },
      [&](const custody::Send& send_action) { send(h, send_action); },
      [&](const custody::Report& report) { note(h, "says: " + report.text.substr(0, 50)); },
      [&](const auto& deed) {
        note(h, fmt::format("does: {}", to_string(deed)));
        run(h, deed);
      },
  };
  if (is_source(h)) {
    const auto action = memory.source_actions.front();
    memory.source_actions.pop_front();
    std::visit(perform, action);
  } else {
    const auto action = memory.destination_actions.front();
    memory.destination_actions.pop_front();
    std::visit(perform, action);
  }
  forget_if_ended(h);
}

void World::journal(int h) {
  Host& host = hosts_[h];
  Row& row = host.journal[host.memory.move];
  row.is_source = is_source(h);
  if (row.is_source) {
    row.state = source::encode(*host.memory.source_state);
    row.ended = source::ended(*host.memory.source_state);
  } else {
    row.state = destination::encode(*host.memory.destination_state);
    row.ended = destination::ended(*host.memory.destination_state);
  }
  note(h, "durable");
}

void World::forget_if_ended(int h) {
  Host& host = hosts_[h];
  if (!host.memory.source_actions.empty() || !host.memory.destination_actions.empty()) return;
  const auto row = host.journal.find(host.memory.move);
  if (row == host.journal.end() || !row->second.ended) return;
  const int move = host.memory.move;
  host.memory = {};
  if (session_.alive && session_.move == move) lose_session();
}

void World::submit(int h, int move, RecordKind kind) {
  Host& host = hosts_[h];
  for (const Outgoing& outgoing : host.outbox) {
    if (outgoing.record.move != move || outgoing.record.kind != kind) continue;
    // As the outbox does: the daemon may have ended between the refusal and its handling.
    if (outgoing.status == Outgoing::Status::kRefused && host.memory.move == move) {
      tell(h, source::EventKind::kRefused, "refused before", kind);
      tell(h, destination::EventKind::kRefused, "refused before", kind);
    }
    return;
  }
  host.outbox.push_back({{++records_, move, kind, h, ++host.last_number}, Outgoing::Status::kPending});
}

void World::send(int h, const custody::Send& send) {
  std::string text = send.reason;
  if (send.message == custody::Message::kSeal) {
    const auto* sealed = std::get_if<source::Sealed>(&*hosts_[h].memory.source_state);
    text = sealed == nullptr ? "" : std::string(as_text(sealed->statement));
    seals_[hosts_[h].memory.move].insert(text);
  }
  if (!session_.alive || session_.move != hosts_[h].memory.move) return;
  note(h, fmt::format("sends {}", custody::to_string(send.message)));
  session_.to[1 - h].emplace_back(send.message, std::move(text));
}

void World::tell(int h, source::EventKind kind, std::string reason, RecordKind record) {
  if (!is_source(h)) return;
  hosts_[h].memory.source_events.push_back({kind, record, {}, std::move(reason)});
}

void World::tell(int h, destination::EventKind kind, std::string reason, RecordKind record) {
  if (!hosts_[h].memory.destination_state) return;
  hosts_[h].memory.destination_events.push_back({kind, record, true, {}, std::move(reason)});
}

}  // namespace sealift::sim
