#include <algorithm>

#include "domain/server.hpp"

namespace sealift::domain {
namespace {

crypto::Digest proposal_id(const ledger::Record& record) {
  return crypto::sha256(record.envelope.unverified_payload());
}

// Both carry the same payload: all signatures, each key's once.
Result<Bytes> merge(const ledger::Record& ours, const ledger::Record& theirs) {
  crypto::Envelope merged;
  merged.payload_type = ours.envelope.payload_type();
  const ByteView payload = ours.envelope.unverified_payload();
  merged.payload.assign(payload.begin(), payload.end());
  merged.signatures = ours.envelope.signatures();
  for (const crypto::EnvelopeSignature& signature : theirs.envelope.signatures()) {
    const auto same = [&](const crypto::EnvelopeSignature& s) { return s.keyid == signature.keyid; };
    if (std::ranges::none_of(merged.signatures, same)) merged.signatures.push_back(signature);
  }
  std::ranges::sort(merged.signatures, {}, &crypto::EnvelopeSignature::keyid);  // record.hpp: one form only
  if (merged.signatures.size() > crypto::kEnvelopeSignaturesMax) {
    return fail(Code::kExhausted, "more signatures than an envelope may hold");
  }
  return crypto::encode(merged);
}

// Until another host can take over (domain.serve), a domain that expels its server stands still.
Status check_not_server(const ledger::Record& record, const ledger::State& state) {
  ledger::HostName out;
  if (const auto* expel = std::get_if<ledger::HostExpel>(&record.body)) out = expel->host;
  if (const auto* recover = std::get_if<ledger::VmRecover>(&record.body)) out = recover->lost;
  if (out.empty() || out != state.serving().server) return {};
  return fail(Code::kRefused, "{} serves the ledger: without it nothing could be ordered any more",
              out.text());
}

// Records of the domain carry State::changes() + 1: any other number has been overtaken.
bool overtaken(const ledger::Record& record, const ledger::State& state) {
  const auto number = [&]<class T>(const T& body) -> std::optional<std::uint64_t> {
    if constexpr (std::is_same_v<T, ledger::HostJoin> || std::is_same_v<T, ledger::HostLeave> ||
                  std::is_same_v<T, ledger::HostExpel> || std::is_same_v<T, ledger::RulesActivate> ||
                  std::is_same_v<T, ledger::VmRecover>) {
      return body.number;
    } else {
      return std::nullopt;
    }
  };
  const auto its = std::visit(number, record.body);
  return !its || *its != state.changes() + 1;
}

}  // namespace

Result<ProposalEntry> Server::propose(ByteView envelope, Deadline deadline, const Stop& stop) {
  SEALIFT_TRY_STATUS(replica_.check_halted());
  ledger::Chain& chain = replica_.chain();
  ledger::Record record = SEALIFT_TRY(ledger::parse_record(envelope));
  const crypto::Digest id = proposal_id(record);
  ProposalEntry entry;
  entry.envelope.assign(envelope.begin(), envelope.end());
  std::size_t open = 0;
  for (const ProposalEntry& other : SEALIFT_TRY(proposals())) {
    const ledger::Record theirs = SEALIFT_TRY(ledger::parse_record(other.envelope));
    ++open;
    if (proposal_id(theirs) != id) continue;
    entry.envelope = SEALIFT_TRY(merge(theirs, record));
    record = SEALIFT_TRY(ledger::parse_record(entry.envelope));
  }
  if (open >= kProposalsMax) return fail(Code::kExhausted, "{} proposals are open already", kProposalsMax);
  const auto state = chain.final_state();
  SEALIFT_TRY_STATUS(check_not_server(record, *state));
  const ledger::BlockContext context{
      chain.height() + 1, static_cast<std::uint64_t>(replica_.clock().wall().time_since_epoch().count()),
      state->serving().term};
  const ledger::VerifiedRecord verified = SEALIFT_TRY(ledger::verify_record(std::move(record), *state));
  if (verified.signers().empty()) return fail(Code::kUnauthorized, "no member has signed this");
  const auto applied = ledger::apply(*state, verified, context);
  if (!applied && applied.error().code != Code::kUnauthorized) return std::unexpected(applied.error());
  if (!applied) {  // signatures are missing
    SEALIFT_TRY_STATUS(replica_.desk().put_proposal(id, entry));
    bump();
    return entry;
  }
  SEALIFT_TRY(submit(entry.envelope, deadline, stop));
  entry.submitted = true;
  SEALIFT_TRY_STATUS(replica_.desk().drop_proposal(id));
  return entry;
}

Result<std::vector<ProposalEntry>> Server::proposals() {
  const auto state = replica_.chain().final_state();
  std::vector<ProposalEntry> open;
  for (ProposalEntry& entry : SEALIFT_TRY(replica_.desk().proposals())) {
    const auto record = ledger::parse_record(entry.envelope);
    if (record && !overtaken(*record, *state)) {
      open.push_back(std::move(entry));
    } else if (record) {
      SEALIFT_TRY_STATUS(replica_.desk().drop_proposal(proposal_id(*record)));
    }
  }
  return open;
}

}  // namespace sealift::domain
