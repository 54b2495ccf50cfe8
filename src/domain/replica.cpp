#include "domain/replica.hpp"

#include <algorithm>
#include <ranges>

#include "base/log.hpp"
#include "domain/answer.hpp"

namespace sealift::domain {
namespace {

constexpr std::string_view kHaltedFact = "halted";

// The host that a record takes out of the set under its old key, if it does.
std::optional<ledger::HostName> taken_out(const ledger::Body& body) {
  if (const auto* leave = std::get_if<ledger::HostLeave>(&body)) return leave->host;
  if (const auto* expel = std::get_if<ledger::HostExpel>(&body)) return expel->host;
  if (const auto* recover = std::get_if<ledger::VmRecover>(&body)) return recover->lost;
  return std::nullopt;
}

}  // namespace

Replica::Replica(std::unique_ptr<ledger::Chain> chain, std::unique_ptr<Desk> desk,
                 const crypto::Identity& identity, const Clock& clock)
    : chain_(std::move(chain)),
      desk_(std::move(desk)),
      identity_(identity.clone()),
      clock_(clock),
      domain_(chain_->genesis().id()) {}

Result<std::unique_ptr<Replica>> Replica::make(std::unique_ptr<ledger::Chain> chain,
                                               std::unique_ptr<Desk> desk, const crypto::Identity& identity,
                                               const Clock& clock) {
  std::unique_ptr<Replica> replica(new Replica(std::move(chain), std::move(desk), identity, clock));
  SEALIFT_TRY_STATUS(replica->load_evidence());
  return replica;
}

Status Replica::load_evidence() {
  if (auto text = SEALIFT_TRY(desk_->fact(kHaltedFact))) {
    *evidence_.lock() = SEALIFT_TRY(parse_evidence(*text));
    return {};
  }
  if (!SEALIFT_TRY(chain_->forks()).empty()) halt_on_fork({Code::kCorrupt, "a fork was found earlier"});
  return {};
}

bool Replica::alone() const {
  const ledger::MemberSet set = chain_->final_state()->member_set();
  return set.members.size() == 1 && set.find(self().text()) != nullptr;
}

Result<ledger::HostName> Replica::member(const crypto::PublicKey& key) const {
  if (auto name = chain_->final_state()->key_holder(key)) return *name;
  return fail(Code::kUnauthorized,
              "no member of domain {} has the key {}: it must join first, or was expelled", domain_.hex(),
              key.hex());
}

std::optional<ledger::HostName> Replica::former_member(const crypto::PublicKey& key) const {
  const auto state = chain_->final_state();
  const auto name = state->get("key/" + key.hex());
  if (!name || state->key_holder(key)) return std::nullopt;
  auto host = ledger::HostName::parse(*name);
  if (!host) return std::nullopt;
  return *host;
}

bool Replica::removed() const {
  const auto state = chain_->final_state();
  const auto& key = identity_.public_key();
  return !state->key_holder(key) && state->get("key/" + key.hex()).has_value();
}

Result<std::uint64_t> Replica::removed_height(const ledger::HostName& host) const {
  const auto places = SEALIFT_TRY(chain_->membership_changes(chain_->final_height() + 1));
  for (const ledger::RecordPlace& place : std::views::reverse(places)) {
    const ledger::Block block = SEALIFT_TRY(chain_->block(place.height));
    if (place.index >= block.records.size()) continue;
    const auto record = ledger::parse_record(block.records[place.index]);
    if (record && taken_out(record->body) == host) return place.height;
  }
  return fail(Code::kNotFound, "no record has taken {} out of the domain", host.text());
}

Result<std::uint64_t> Replica::take_signatures(const std::string& note) {
  auto final_height = chain_->add_signatures(note);
  if (!final_height) return std::unexpected(halt_on_fork(final_height.error()));
  return final_height;
}

Status Replica::cosign(const std::string& note) {
  if (auto cosigned = chain_->cosign(note); !cosigned) return std::unexpected(halt_on_fork(cosigned.error()));
  return {};
}

Bytes Replica::answer(ByteView nonce) const {
  // Cosigned is never above what is here.
  const std::uint64_t term = std::max(chain_->promised().term, chain_->state()->serving().term);
  return sign_answer({self(), term, chain_->height(), chain_->final_height()}, domain_, nonce, identity_);
}

std::string Replica::waiting_for() const {
  const std::vector<ledger::HostName> missing = chain_->waiting_for();
  if (missing.empty()) return {};
  std::string names;
  for (const ledger::HostName& name : missing) names += (names.empty() ? "" : ", ") + name.text();
  return fmt::format("block {} waits for the cosignature of {}", chain_->final_height() + 1, names);
}

std::optional<Evidence> Replica::evidence() const {
  return *evidence_.lock();
}

Status Replica::check_halted() const {
  auto evidence = evidence_.lock();
  if (!*evidence) return {};
  return fail(Code::kCorrupt,
              "this host takes no part in the ledger any more: {}. Guests run on, nothing changes owner "
              "here; compare "
              "both versions with the other members, then expel and re-join the host that is wrong",
              (*evidence)->text);
}

void Replica::halt(Evidence evidence) {
  auto kept = evidence_.lock();
  if (*kept) return;
  evidence.found = clock_.wall();
  log_error("ledger.halted", {{"height", evidence.height}, {"reason", evidence.text}});
  if (auto written = desk_->put_fact(kHaltedFact, encode_evidence(evidence)); !written) {
    log_error("ledger.evidence_not_kept", {{"error", written.error().message}});
  }
  *kept = std::move(evidence);
}

Error Replica::halt_on_fork(Error error) {
  const auto forks = chain_->forks();
  if (!forks || forks->empty()) return error;
  const ledger::ForkEvidence& fork = forks->front();
  Evidence evidence;
  evidence.kind = Evidence::Kind::kFork;
  evidence.height = fork.height;
  evidence.against = chain_->state()->serving().server;
  evidence.text = fork.text;
  const bool headers = fork.ours.size() == ledger::kBlockHeaderBytes;
  if (headers) {
    evidence.ours_header = fork.ours;
    evidence.theirs_header = fork.theirs;
  } else {
    evidence.ours_head = as_text(fork.ours);
    evidence.theirs_head = as_text(fork.theirs);
  }
  halt(std::move(evidence));
  return error;
}

std::string encode_evidence(const Evidence& evidence) {
  return json::dump({{"kind", static_cast<int>(evidence.kind)},
                     {"height", evidence.height},
                     {"against", evidence.against.text()},
                     {"ours_header", base64(evidence.ours_header)},
                     {"theirs_header", base64(evidence.theirs_header)},
                     {"ours_head", evidence.ours_head},
                     {"theirs_head", evidence.theirs_head},
                     {"found_ms", evidence.found.time_since_epoch().count()},
                     {"text", evidence.text}});
}

Result<Evidence> parse_evidence(std::string_view text) {
  constexpr std::size_t kEvidenceBytesMax = 1024 * 1024;
  const Json value = SEALIFT_TRY(json::parse(text, kEvidenceBytesMax));
  if (!value.is_object()) return fail(Code::kInvalid, "evidence that is not a JSON object");
  Evidence evidence;
  const std::uint64_t kind = SEALIFT_TRY(json::number(value, "kind"));
  if (kind > 2) return fail(Code::kInvalid, "evidence of an unknown kind {}", kind);
  evidence.kind = static_cast<Evidence::Kind>(kind);
  evidence.height = SEALIFT_TRY(json::number(value, "height"));
  const std::string against = SEALIFT_TRY(json::text(value, "against"));
  if (!against.empty()) evidence.against = SEALIFT_TRY(ledger::HostName::parse(against));
  const std::string ours = SEALIFT_TRY(json::text(value, "ours_header"));
  evidence.ours_header = SEALIFT_TRY(unbase64(ours));
  const std::string theirs = SEALIFT_TRY(json::text(value, "theirs_header"));
  evidence.theirs_header = SEALIFT_TRY(unbase64(theirs));
  evidence.ours_head = SEALIFT_TRY(json::text(value, "ours_head"));
  evidence.theirs_head = SEALIFT_TRY(json::text(value, "theirs_head"));
  evidence.found = WallTime{
      std::chrono::milliseconds{static_cast<std::int64_t>(SEALIFT_TRY(json::number(value, "found_ms")))}};
  evidence.text = SEALIFT_TRY(json::text(value, "text"));
  return evidence;
}

}  // namespace sealift::domain
