#include <algorithm>

#include "base/log.hpp"
#include "domain/server.hpp"

namespace sealift::domain {
namespace {

constexpr Milliseconds kSlice{100};

bool carries_signature_of(const ledger::SignedHead& head, const ledger::HostName& name) {
  return std::ranges::any_of(head.note.signatures,
                             [&](const crypto::NoteSignature& s) { return s.name == name.text(); });
}

}  // namespace

Status Server::take_note(const Asker& asker, const std::string& note) {
  if (note.empty() || asker.removed_height != 0) return {};
  ledger::Chain& chain = replica_.chain();
  const ledger::SignedHead head = SEALIFT_TRY(ledger::parse_signed_head(as_bytes(note)));
  if (head.head.size > chain.height()) {
    // Who shows us our own signature over more than we hold has not lied: our store is older than our word.
    const bool ours = head.head.server == replica_.self() && head.head.domain == replica_.domain() &&
                      ledger::verify_server(head, chain.state()->member_set()).has_value();
    if (!ours)
      return fail(Code::kCorrupt, "a checkpoint of {} blocks, of which this server has {}", head.head.size,
                  chain.height());
    Evidence evidence;
    evidence.kind = Evidence::Kind::kRolledBack;
    evidence.height = chain.height() + 1;
    evidence.against = replica_.self();
    evidence.ours_head = chain.checkpoint().value_or("");
    evidence.theirs_head = note;
    evidence.text = fmt::format(
        "this server's store ends at block {}, but {} holds a checkpoint of {} blocks that this server has "
        "signed: its "
        "state directory is older than its word (restored from a backup?)",
        chain.height(), asker.name.text(), head.head.size);
    replica_.halt(std::move(evidence));
    return replica_.check_halted();
  }
  const auto before = chain.final_height();
  const std::uint64_t final_height = SEALIFT_TRY(replica_.take_signatures(note));
  if (carries_signature_of(head, asker.name)) {
    auto hub = hub_.lock();
    std::uint64_t& cosigned = hub->peers[asker.name].cosigned;
    cosigned = std::max(cosigned, head.head.size);
  }
  if (final_height != before) bump();
  return {};
}

Status Server::compare_tips(const Asker& asker, const FollowRequest& request) {
  ledger::Chain& chain = replica_.chain();
  if (request.height > chain.height()) {
    return fail(Code::kCorrupt, "{} has {} blocks, this server {}, and no signature for the rest",
                asker.name.text(), request.height, chain.height());
  }
  crypto::Digest ours = replica_.domain().digest;
  if (request.height != 0) ours = SEALIFT_TRY(chain.block(request.height)).header.hash();
  if (ours != request.tip) {
    return fail(Code::kCorrupt, "block {} is {} here and {} at {}: one of the two stores was rewritten",
                request.height, ours.hex(), request.tip.hex(), asker.name.text());
  }
  if (asker.removed_height != 0) return {};
  const auto member = chain.final_state()->member(asker.name);
  auto hub = hub_.lock();
  const std::uint64_t cosigned = hub->peers[asker.name].cosigned;
  if (request.height < cosigned && member && member->joined_height <= cosigned) {
    return fail(Code::kConflict,
                "the store of {} ends at block {}, but it has cosigned block {}: its state directory is "
                "older than its "
                "word (restored from a backup?). Expel it and join it anew",
                asker.name.text(), request.height, cosigned);
  }
  hub->heard.insert(asker.name);
  return {};
}

Status Server::hear(const Asker& asker, const FollowRequest& request) {
  SEALIFT_TRY_STATUS(replica_.check_halted());
  ledger::Chain& chain = replica_.chain();
  if (request.domain != replica_.domain()) {
    return fail(Code::kRefused, "{} follows domain {}, this is {}", asker.name.text(), request.domain.hex(),
                replica_.domain().hex());
  }
  // What took a former member out is final everywhere: any member may tell it.
  if (!chain.serving() && asker.removed_height == 0) {
    return fail(Code::kRefused, "{} does not serve the ledger, {} does", replica_.self().text(),
                chain.state()->serving().server.text());
  }
  const std::uint64_t term = chain.state()->serving().term;
  if (request.term > term) {
    return fail(Code::kRefused, "{} has promised term {}, this server serves term {}", asker.name.text(),
                request.term, term);
  }
  SEALIFT_TRY_STATUS(take_note(asker, request.note));
  const bool known = hub_.lock()->heard.contains(asker.name);
  SEALIFT_TRY_STATUS(compare_tips(asker, request));
  if (asker.removed_height != 0) return {};
  {
    auto hub = hub_.lock();
    hub->peers[asker.name].seen = replica_.clock().wall();
    for (const AskAnswer& answer : request.answers) {
      if (const auto ask = hub->asks.find(answer.ask); ask != hub->asks.end()) {
        ask->second.answers[asker.name] = answer.answer;
      }
    }
  }
  if (!known || !request.answers.empty()) bump();
  return {};
}

Result<std::vector<Step>> Server::steps_for(const FollowRequest& request, std::uint64_t limit,
                                            bool cosigned) {
  ledger::Chain& chain = replica_.chain();
  const std::uint64_t tip = chain.height();
  std::set<std::uint64_t> changes;
  for (const ledger::RecordPlace& place : SEALIFT_TRY(chain.membership_changes(tip + 1)))
    changes.insert(place.height);
  std::vector<Step> steps;
  const auto add_note = [&](std::uint64_t height) -> Status {
    const Bytes note = SEALIFT_TRY(chain.final_checkpoint(height));
    steps.push_back({std::nullopt, std::string(as_text(note))});
    return {};
  };
  if (request.height < tip && changes.contains(request.height) && request.final_height < request.height) {
    SEALIFT_TRY_STATUS(add_note(request.height));
  }
  std::uint64_t height = request.height;
  for (std::size_t bytes = 0; height < limit && steps.size() + 2 < kStepsMax; ++height) {
    ledger::Block block = SEALIFT_TRY(chain.block(height + 1));
    for (const Bytes& record : block.records) bytes += record.size();
    if (!steps.empty() && bytes > ledger::kBlockBytesMax) break;
    steps.push_back({std::move(block), {}});
    if (height + 1 < tip && changes.contains(height + 1)) SEALIFT_TRY_STATUS(add_note(height + 1));
  }
  if (height != tip || tip == 0) return steps;
  const bool newly_final = chain.final_height() > request.final_height;
  if (!steps.empty() || newly_final || !cosigned) {
    steps.push_back({std::nullopt, SEALIFT_TRY(chain.checkpoint())});
  }
  return steps;
}

Result<std::vector<Bytes>> Server::recoveries_of(const Asker& asker) {
  std::vector<Bytes> recoveries;
  const std::uint64_t last = replica_.chain().final_height();
  for (std::uint64_t height = asker.removed_height; height <= last; ++height) {
    for (Bytes& envelope : SEALIFT_TRY(replica_.chain().block(height)).records) {
      const auto record = ledger::parse_record(envelope);
      const auto* recover = record ? std::get_if<ledger::VmRecover>(&record->body) : nullptr;
      if (recover == nullptr || recover->lost != asker.name) continue;
      if (recoveries.size() == kStepsMax) return recoveries;
      recoveries.push_back(std::move(envelope));
    }
  }
  return recoveries;
}

Result<std::optional<FollowNews>> Server::news(const Asker& asker, const FollowRequest& request) {
  FollowNews news;
  const bool removed = asker.removed_height != 0;
  bool cosigned = true;
  if (!removed) {
    auto hub = hub_.lock();
    cosigned = hub->peers[asker.name].cosigned >= replica_.chain().height();
    for (const auto& [id, ask] : hub->asks) {
      if (id > request.asks_seen && news.asks.size() < kAsksMax) news.asks.push_back({id, ask.nonce});
    }
  }
  news.tip = replica_.chain().height();
  news.steps = SEALIFT_TRY(steps_for(request, removed ? asker.removed_height : news.tip, cosigned));
  if (removed) {
    news.removed_height = asker.removed_height;
    news.recoveries = SEALIFT_TRY(recoveries_of(asker));
    if (news.steps.empty() && news.recoveries.size() <= request.owners_seen) return std::nullopt;
  } else if (news.steps.empty() && news.asks.empty()) {
    return std::nullopt;
  }
  news.now_ms = static_cast<std::uint64_t>(replica_.clock().wall().time_since_epoch().count());
  return news;
}

Result<FollowNews> Server::follow(const Asker& asker, const FollowRequest& request, Milliseconds hold,
                                  const Stop& stop) {
  SEALIFT_TRY_STATUS(hear(asker, request));
  const SteadyTime end = std::chrono::steady_clock::now() + (request.first ? Milliseconds{0} : hold);
  ++hub_.lock()->peers[asker.name].requests;
  struct Leave {
    Guarded<Hub>& hub;
    const ledger::HostName& name;
    ~Leave() { --hub.lock()->peers[name].requests; }
  } leave{hub_, asker.name};
  for (;;) {
    std::uint64_t version = 0;
    bool closed = false;
    {
      auto hub = hub_.lock();
      version = hub->version;
      closed = hub->closed;
    }
    if (auto fresh = SEALIFT_TRY(news(asker, request))) return std::move(*fresh);
    SEALIFT_TRY_STATUS(replica_.check_halted());
    const bool over = closed || stop.stopped() || std::chrono::steady_clock::now() >= end;
    // Who was taken out meanwhile asks again, under what is true then.
    const bool changed = asker.removed_height == 0 && !replica_.chain().final_state()->member(asker.name);
    if (over || changed) {
      FollowNews nothing;
      nothing.tip = replica_.chain().height();
      nothing.now_ms = static_cast<std::uint64_t>(replica_.clock().wall().time_since_epoch().count());
      return nothing;
    }
    auto hub = hub_.lock();
    hub.wait_until(std::min(end, std::chrono::steady_clock::now() + kSlice),
                   [&](const Hub& h) { return h.version != version; });
  }
}

}  // namespace sealift::domain
