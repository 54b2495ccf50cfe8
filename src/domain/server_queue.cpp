#include <algorithm>

#include "base/log.hpp"
#include "domain/server.hpp"

namespace sealift::domain {
namespace {

constexpr std::size_t kQueuedMax = 4096;
constexpr Milliseconds kSlice{100};  // how soon a Stop is noticed by who sleeps on the hub

SteadyTime slice_end(const Deadline& deadline) {
  return deadline.sooner(std::chrono::steady_clock::now() + kSlice);
}

}  // namespace

Server::Server(Replica& replica) : replica_(replica) {
  auto hub = hub_.lock();
  hub->heard.insert(replica_.self());
  // Never an id that an earlier run of this server has used.
  hub->next_ask = static_cast<std::uint64_t>(replica_.clock().wall().time_since_epoch().count()) << 10;
  // Who has cosigned our newest checkpoint must not come back with less.
  const auto note = replica_.chain().checkpoint();
  if (!note) return;
  const auto head = ledger::parse_signed_head(as_bytes(*note));
  if (!head) return;
  const auto names = ledger::cosigners(*head, replica_.chain().final_state()->member_set());
  if (!names) return;
  for (const ledger::HostName& name : *names) hub->peers[name].cosigned = head->head.size;
}

void Server::bump() {
  ++hub_.lock()->version;
  hub_.notify_all();
}

void Server::wake() {
  bump();
}

void Server::close() {
  hub_.lock()->closed = true;
  bump();
}

void Server::run(const Stop& stop) {
  std::uint64_t seen = 0;
  while (!stop.stopped()) {
    {
      auto hub = hub_.lock();
      hub.wait_until(slice_end(Deadline::never()),
                     [&](const Hub& h) { return h.version != seen || stop.stopped(); });
      seen = hub->version;
    }
    while (!stop.stopped() && step()) {
    }
  }
}

bool Server::heard_quorum(Hub& hub) const {
  const ledger::MemberSet set = replica_.chain().members_for_next();
  const auto heard = std::ranges::count_if(set.members, [&](const crypto::NamedKey& m) {
    return hub.heard.contains(*ledger::HostName::parse(m.name));
  });
  return static_cast<std::size_t>(heard) >= set.quorum();
}

std::vector<Bytes> Server::next_batch(Hub& hub) const {
  std::vector<Bytes> batch;
  std::size_t bytes = 0;
  for (const ledger::RecordId& id : hub.queue) {
    const Bytes& envelope = hub.entries.at(id)->envelope;
    if (batch.size() == ledger::kBlockRecordsMax || bytes + envelope.size() > ledger::kBlockBytesMax) break;
    bytes += envelope.size();
    batch.push_back(envelope);
  }
  return batch;
}

bool Server::step() {
  ledger::Chain& chain = replica_.chain();
  if (auto halted = replica_.check_halted(); !halted) {
    refuse_all(halted.error());
    return false;
  }
  if (!chain.serving() || chain.height() != chain.final_height()) return false;
  if (!chain.final_state()->member(replica_.self())) {  // an expelled server stops
    refuse_all({Code::kRefused, fmt::format("{} was expelled and serves no longer", replica_.self().text())});
    return false;
  }
  std::vector<Bytes> batch;
  {
    auto hub = hub_.lock();
    if (hub->queue.empty() || !heard_quorum(*hub)) return false;
    batch = next_batch(*hub);
  }
  const auto appended = chain.append(batch, replica_.clock().wall());
  if (!appended) {
    log_error("ledger.append_failed", {{"error", appended.error().message}});
    if (appended.error().code == Code::kRefused) refuse_all(appended.error());
    return false;
  }
  settle(*appended);
  return appended->block.has_value();
}

void Server::settle(const ledger::Chain::Appended& appended) {
  const std::uint64_t height = replica_.chain().height();
  {
    auto hub = hub_.lock();
    for (const ledger::Chain::Outcome& outcome : appended.outcomes) {
      using Kind = ledger::Chain::Outcome::Kind;
      const auto found = hub->entries.find(outcome.id);
      if (found == hub->entries.end() || outcome.kind == Kind::kDeferred) continue;
      found->second->fate = outcome.kind == Kind::kRefused ? Entry::Fate::kRefused : Entry::Fate::kIncluded;
      found->second->height = height;
      found->second->refusal.message = outcome.reason;
      std::erase(hub->queue, outcome.id);
      hub->entries.erase(found);
    }
    ++hub->version;
  }
  hub_.notify_all();
}

void Server::refuse_all(const Error& error) {
  {
    auto hub = hub_.lock();
    if (hub->queue.empty()) return;
    for (auto& [id, entry] : hub->entries) {
      entry->fate = Entry::Fate::kRefused;
      entry->refusal = error;
    }
    hub->entries.clear();
    hub->queue.clear();
    ++hub->version;
  }
  hub_.notify_all();
}

bool Server::queued(const ledger::RecordId& id) {
  return hub_.lock()->entries.contains(id);
}

Result<Server::Queued> Server::put_in_queue(ByteView envelope) {
  SEALIFT_TRY_STATUS(replica_.check_halted());
  ledger::Chain& chain = replica_.chain();
  const ledger::Record record = SEALIFT_TRY(ledger::parse_record(envelope));
  if (record.domain != replica_.domain()) {
    return fail(Code::kRefused, "the record is of domain {}, this ledger is {}'s", record.domain.hex(),
                replica_.domain().hex());
  }
  if (!chain.serving()) {
    return fail(Code::kRefused, "{} does not serve the ledger, {} does", replica_.self().text(),
                chain.state()->serving().server.text());
  }
  const ledger::RecordStatus known = SEALIFT_TRY(chain.status(record.id));
  const bool in_block = known.kind == ledger::RecordStatus::Kind::kFinal ||
                        (known.kind == ledger::RecordStatus::Kind::kPending && known.height != 0);
  if (in_block) return Queued{nullptr, known.height};
  std::shared_ptr<Entry> entry;
  {
    auto hub = hub_.lock();
    auto& slot = hub->entries[record.id];
    if (!slot) {
      if (hub->queue.size() >= kQueuedMax) {
        hub->entries.erase(record.id);
        return fail(Code::kExhausted, "{} records wait already: {}", kQueuedMax, replica_.waiting_for());
      }
      slot = std::make_shared<Entry>();
      slot->envelope.assign(envelope.begin(), envelope.end());
      hub->queue.push_back(record.id);
    }
    entry = slot;
    ++hub->version;
  }
  hub_.notify_all();
  return Queued{std::move(entry), 0};
}

Status Server::enqueue(ByteView envelope) {
  SEALIFT_TRY(put_in_queue(envelope));
  return {};
}

Result<std::uint64_t> Server::submit(ByteView envelope, Deadline deadline, const Stop& stop) {
  const auto [entry, in_block] = SEALIFT_TRY(put_in_queue(envelope));
  if (!entry) return in_block;
  ledger::Chain& chain = replica_.chain();
  for (;;) {
    {
      auto hub = hub_.lock();
      hub.wait_until(slice_end(deadline), [&fate = entry->fate](const Hub& h) {
        return h.closed || fate != Entry::Fate::kQueued;
      });
      if (hub->closed)
        return fail(Code::kUnavailable, "the ledger was closed here; the record's outcome is unknown");
      if (entry->fate == Entry::Fate::kIncluded) return entry->height;
      if (entry->fate == Entry::Fate::kRefused) break;
    }
    if (stop.stopped())
      return fail(Code::kCancelled, "stopped while the record was waiting; its outcome is unknown");
    if (deadline.passed()) {
      return fail(Code::kUnavailable,
                  "the record waits its turn ({}); its outcome is unknown, submit it again", waiting_for());
    }
  }
  // The asker reads the final state next: it must show why.
  if (entry->height > chain.final_height()) {
    SEALIFT_TRY(chain.wait_beyond(entry->height - 1, deadline, stop));
  }
  return std::unexpected(entry->refusal);
}

std::string Server::waiting_for() {
  if (std::string unfinal = replica_.waiting_for(); !unfinal.empty()) return unfinal;
  auto hub = hub_.lock();
  if (heard_quorum(*hub)) return hub->queue.empty() ? "" : "the next block is being made";
  std::string names;
  for (const crypto::NamedKey& member : replica_.chain().members_for_next().members) {
    if (!hub->heard.contains(*ledger::HostName::parse(member.name)))
      names += (names.empty() ? "" : ", ") + member.name;
  }
  return fmt::format("a majority of the members has not connected since this server's start; missing: {}",
                     names);
}

std::vector<PeerStatus> Server::peers() {
  auto hub = hub_.lock();
  std::vector<PeerStatus> peers;
  for (const ledger::Member& member : replica_.chain().final_state()->members()) {
    if (member.info.name == replica_.self()) continue;
    const auto found = hub->peers.find(member.info.name);
    if (found == hub->peers.end()) {
      peers.push_back({member.info.name, false, 0});
    } else {
      peers.push_back({member.info.name, found->second.requests > 0, found->second.cosigned});
    }
  }
  return peers;
}

}  // namespace sealift::domain
