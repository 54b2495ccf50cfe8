// Checkpoints and cosignatures: what makes blocks final, and what shows a fork.
#include <algorithm>

#include "base/log.hpp"
#include "ledger/embedded/chain_inner.hpp"

namespace sealift::ledger {

namespace {

using Guard = std::lock_guard<std::mutex>;
constexpr std::uint64_t kKeepStateEvery = 64;  // blocks: bounds what opening has to replay

// Only signatures that were verified are kept.
StoredHead only_known(const SignedHead& signed_head, std::span<const crypto::NamedKey> known) {
  StoredHead stored{signed_head.head, {}};
  for (const crypto::NoteSignature& one : signed_head.note.signatures) {
    const bool of_member = std::ranges::any_of(known, [&](const crypto::NamedKey& key) {
      return one.name == key.name &&
             (one.key_id == crypto::note_key_id(key, crypto::NoteKeyType::kCosignature) ||
              one.key_id == crypto::note_key_id(key, crypto::NoteKeyType::kSignature));
    });
    if (of_member) stored.signatures.push_back(one);
  }
  return stored;
}

}  // namespace

// A failure here costs the next opening some time, nothing else: the blocks are durable already.
void Chain::Inner::keep_state() {
  const auto& state = state_after(final);
  const Status written = store.write_state(final, *state, kept.get());
  if (!written) {
    log_warning("ledger.state-not-kept", {{"height", final}, {"reason", written.error().message}});
    return;
  }
  kept = state;
  kept_height = final;
}

void Chain::Inner::advance() {
  while (final < height() && votes.covered(final + 1, set_for(final + 1))) {
    ++final;
    states.pop_front();
  }
  if (final >= kept_height + kKeepStateEvery) keep_state();
}

Status Chain::Inner::take_votes(const SignedHead& signed_head, std::span<const crypto::NamedKey> keys) {
  const auto found = SEALIFT_TRY(crypto::verify_cosignatures(signed_head.note, keys));
  for (const crypto::Cosignature& one : found)
    votes.add(signed_head.head.term, one.signer.key, signed_head.head.size);
  return {};
}

std::unexpected<Error> Chain::Inner::report_fork(std::uint64_t at, std::string text, Bytes ours,
                                                 Bytes theirs) {
  Store::Write write;
  write.forks = {ForkEvidence{at, text, std::move(ours), std::move(theirs)}};
  const Status kept_evidence = store.write(write);
  log_error("ledger.fork", {{"height", at}, {"text", text}});
  return fail(Code::kCorrupt,
              "the ledger has forked, two stories were told: {}. Nothing was accepted; the evidence {}", text,
              kept_evidence ? "is kept (ledger verify shows it)" : "could not be written");
}

// That a checkpoint of blocks that are all here covers exactly ours.
Status Chain::Inner::check_same_history(const SignedHead& signed_head) {
  const LogHead& head = signed_head.head;
  if (head.domain != store.genesis().id()) return fail(Code::kRefused, "the checkpoint is of another domain");
  if (head.size == 0) return fail(Code::kInvalid, "the checkpoint covers nothing");
  if (head.size > height()) {
    return fail(Code::kUnavailable, "the checkpoint covers blocks up to {}, here the last one is {}",
                head.size, height());
  }
  if (head.root == log.root(head.size)) return {};
  const std::string text =
      fmt::format("the log up to block {} has the root {} here, {} there (term {}, server {})", head.size,
                  log.root(head.size).hex(), head.root.hex(), head.term, head.server.text());
  const auto own = SEALIFT_TRY(store.head(head.term, head.size));
  const bool same_term = own.has_value() || headers[head.size - 1].term == head.term;
  if (!same_term) return fail(Code::kConflict, "{}: blocks were left out", text);
  const auto theirs = crypto::encode_note(signed_head.note.text, signed_head.note.signatures);
  return report_fork(head.size, text, own ? to_bytes(own->note()) : headers[head.size - 1].encode(),
                     theirs ? to_bytes(*theirs) : Bytes());
}

// Only the server of a term tells its story. A term that the state doesn't know yet has the server that this
// host has promised it to.
Status Chain::Inner::check_served(const LogHead& head, const Serving& serving) const {
  const bool serves = head.term == serving.term && head.server == serving.server;
  const bool promised =
      head.term > serving.term && head.term == promise.term && head.server == promise.server;
  if (serves || promised) return {};
  return fail(Code::kRefused, "{} does not serve term {}: {} serves term {}", head.server.text(), head.term,
              serving.server.text(), serving.term);
}

// May this host cosign such a head, by its promises and its earlier cosignatures?
Status Chain::Inner::check_vote(const LogHead& head, const Serving& serving) const {
  if (head.term < promise.term || (head.term == promise.term && head.server != promise.server)) {
    return fail(Code::kRefused, "this host has promised term {} to {}: it cosigns nothing of {} in term {}",
                promise.term, promise.server.text(), head.server.text(), head.term);
  }
  SEALIFT_TRY_STATUS(check_served(head, serving));
  if (voted && (head.term < voted->term || (head.term == voted->term && head.size < voted->size))) {
    return fail(Code::kRefused,
                "this host has cosigned (term {}, block {}) already; (term {}, block {}) is older",
                voted->term, voted->size, head.term, head.size);
  }
  return {};
}

Result<Store::Write> Chain::Inner::make_vote(const SignedHead& signed_head,
                                             std::span<const crypto::NamedKey> known) const {
  const LogHead& head = signed_head.head;
  if (std::ranges::find(known, self.identity.public_key(), &crypto::NamedKey::key) == known.end())
    return fail(Code::kRefused, "{} is not a member and cosigns nothing", self.name.text());
  Store::Write write;
  write.heads = {only_known(signed_head, known)};
  write.heads.front().signatures.push_back(cosign_head(head, self.name, self.identity, now_seconds()));
  write.voted = Voted{head.term, head.size, head.root};
  return write;
}

void Chain::Inner::count_vote(const Voted& vote) {
  voted = vote;
  votes.add(vote.term, self.identity.public_key(), vote.size);
}

// The verified signatures that the store does not have yet; nothing when it has all.
Result<std::optional<StoredHead>> Chain::Inner::news_in(const SignedHead& signed_head,
                                                        std::span<const crypto::NamedKey> known) {
  StoredHead fresh = only_known(signed_head, known);
  const auto stored = SEALIFT_TRY(store.head(fresh.head.term, fresh.head.size));
  if (stored) {
    std::erase_if(fresh.signatures, [&](const crypto::NoteSignature& one) {
      return std::ranges::any_of(stored->signatures, [&](const crypto::NoteSignature& other) {
        return one.name == other.name && one.key_id == other.key_id;
      });
    });
  }
  if (stored && fresh.signatures.empty()) return std::optional<StoredHead>();
  return std::optional(std::move(fresh));
}

Result<std::string> Chain::checkpoint() const {
  Guard guard(inner_->mutex);
  const auto newest = SEALIFT_TRY(inner_->store.newest_head());
  if (newest) return newest->note();
  return fail(Code::kNotFound, "there is no checkpoint yet: the ledger has no block");
}

Result<crypto::NoteSignature> Chain::Inner::cosign(const SignedHead& signed_head) {
  const LogHead& head = signed_head.head;
  // Before the history: only a checkpoint signed by its term's server can be evidence of a fork.
  SEALIFT_TRY_STATUS(verify_server(signed_head, tip()->member_set()));
  SEALIFT_TRY_STATUS(check_served(head, tip()->serving()));
  SEALIFT_TRY_STATUS(check_same_history(signed_head));
  SEALIFT_TRY_STATUS(check_vote(head, tip()->serving()));
  const auto known = known_keys(final + 1);
  if (voted && voted->term == head.term && voted->size == head.size) {  // it has been signed: the same again
    const crypto::NamedKey own{self.name.text(), self.identity.public_key()};
    const auto key_id = crypto::note_key_id(own, crypto::NoteKeyType::kCosignature);
    const auto stored = SEALIFT_TRY(store.head(head.term, head.size));
    for (const crypto::NoteSignature& one :
         stored ? stored->signatures : std::vector<crypto::NoteSignature>())
      if (one.name == own.name && one.key_id == key_id) {
        SEALIFT_TRY_STATUS(take_signatures(signed_head, known));
        return one;
      }
  }
  const Store::Write write = SEALIFT_TRY(make_vote(signed_head, known));
  SEALIFT_TRY_STATUS(take_votes(signed_head, known));
  SEALIFT_TRY_STATUS(store.write(write));
  count_vote(*write.voted);
  advance();
  bell.ring();
  return write.heads.front().signatures.back();
}

Status Chain::Inner::take_signatures(const SignedHead& signed_head, std::span<const crypto::NamedKey> known) {
  const auto fresh = SEALIFT_TRY(news_in(signed_head, known));
  if (!fresh) return {};
  SEALIFT_TRY_STATUS(take_votes(signed_head, known));
  Store::Write write;
  write.heads = {*fresh};
  SEALIFT_TRY_STATUS(store.write(write, Durable::kWithNext));
  advance();
  bell.ring();
  return {};
}

Result<crypto::NoteSignature> Chain::cosign(std::string_view checkpoint) {
  Guard guard(inner_->mutex);
  return inner_->cosign(SEALIFT_TRY(parse_signed_head(as_bytes(checkpoint))));
}

Result<std::uint64_t> Chain::add_signatures(std::string_view checkpoint) {
  Guard guard(inner_->mutex);
  Inner& in = *inner_;
  const SignedHead signed_head = SEALIFT_TRY(parse_signed_head(as_bytes(checkpoint)));
  MemberSet known;
  known.members = in.known_keys(in.final + 1);
  SEALIFT_TRY_STATUS(verify_server(signed_head, known));
  SEALIFT_TRY_STATUS(in.check_served(signed_head.head, in.tip()->serving()));
  SEALIFT_TRY_STATUS(in.check_same_history(signed_head));
  SEALIFT_TRY_STATUS(in.take_signatures(signed_head, known.members));
  return in.final;
}

Status Chain::promise(std::uint64_t term, const HostName& server) {
  Guard guard(inner_->mutex);
  Inner& in = *inner_;
  if (in.promise.term == term && in.promise.server == server) return {};
  const std::uint64_t counts = std::max(in.promise.term, in.tip()->serving().term);
  if (term <= counts) {
    return fail(Code::kRefused, "term {} is not above {}, the highest that this host knows{}", term, counts,
                in.promise.term == counts ? fmt::format(" (promised to {})", in.promise.server.text()) : "");
  }
  Store::Write write;
  write.promise = Promise{term, server};
  SEALIFT_TRY_STATUS(in.store.write(write));
  in.promise = *write.promise;
  return {};
}

}  // namespace sealift::ledger
