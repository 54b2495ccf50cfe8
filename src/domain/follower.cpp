#include "domain/follower.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace sealift::domain {
namespace {

// The last step but one is a block, and the last one the checkpoint of exactly that: both in one transaction.
// (The server may have gone on between the two; the next news has the blocks then.)
bool closes_with(const FollowNews& news, std::size_t i) {
  if (i + 2 != news.steps.size() || news.steps[i + 1].block) return false;
  const auto head = ledger::parse_signed_head(as_bytes(news.steps[i + 1].note));
  return head && head->head.size == news.steps[i].block->header.height;
}

}  // namespace

void Follower::begin_session() {
  announced_.reset();
  asks_seen_ = 0;
  answers_.clear();
  owners_seen_ = 0;
}

FollowRequest Follower::request() {
  ledger::Chain& chain = replica_.chain();
  FollowRequest request;
  request.domain = replica_.domain();
  request.height = chain.height();
  request.tip = request.height == 0 ? replica_.domain().digest : chain.tip_hash();
  request.final_height = chain.final_height();
  request.term = std::max(chain.promised().term, chain.state()->serving().term);
  request.note = chain.checkpoint().value_or("");
  request.first = !announced_;
  request.asks_seen = asks_seen_;
  request.owners_seen = owners_seen_;
  request.answers = std::move(answers_);
  answers_.clear();
  return request;
}

Status Follower::check_clock(const FollowNews& news) {
  const auto server = WallTime{std::chrono::milliseconds{static_cast<std::int64_t>(news.now_ms)}};
  const WallTime ours = replica_.clock().wall();
  const auto apart = server > ours ? server - ours : ours - server;
  const auto skew = std::chrono::milliseconds{replica_.chain().final_state()->policy().skew_ms};
  clocks_apart_ = apart > skew;
  if (!clocks_apart_) return {};
  return fail(Code::kRefused,
              "the server's clock says {}, ours {}: {} s apart, {} s are allowed. Nothing is cosigned until "
              "both are set "
              "right (NTP)",
              to_iso8601(server), to_iso8601(ours), apart.count() / 1000, skew.count() / 1000);
}

Status Follower::take_note(const std::string& note, bool newest) {
  ledger::Chain& chain = replica_.chain();
  const ledger::SignedHead head = SEALIFT_TRY(ledger::parse_signed_head(as_bytes(note)));
  if (head.head.size > chain.height())
    return {};  // the server went on meanwhile: the next news has the blocks
  if (newest && head.head.size == chain.height() && !replica_.removed()) return replica_.cosign(note);
  SEALIFT_TRY(replica_.take_signatures(note));
  return {};
}

Status Follower::take(const FollowNews& news) {
  SEALIFT_TRY_STATUS(replica_.check_halted());
  SEALIFT_TRY_STATUS(check_clock(news));
  ledger::Chain& chain = replica_.chain();
  for (std::size_t i = 0; i < news.steps.size(); ++i) {
    const Step& step = news.steps[i];
    if (!step.block) {
      SEALIFT_TRY_STATUS(take_note(step.note, i + 1 == news.steps.size()));
      continue;
    }
    const bool live = announced_ && step.block->header.height > *announced_;
    const auto arrival = live ? ledger::Chain::Arrival::kLive : ledger::Chain::Arrival::kCatchUp;
    const bool cosigned = closes_with(news, i) && !replica_.removed();
    const Status accepted = cosigned ? chain.accept_and_cosign(*step.block, arrival, news.steps[++i].note)
                                     : chain.accept_block(*step.block, arrival);
    if (!accepted) return std::unexpected(replica_.halt_on_fork(accepted.error()));
  }
  announced_ = std::max(news.tip, announced_.value_or(0));
  for (const Ask& ask : news.asks) {
    asks_seen_ = std::max(asks_seen_, ask.ask);
    answers_.push_back({ask.ask, replica_.answer(ask.nonce)});
  }
  SEALIFT_TRY_STATUS(see_removal());
  if (removal_ && news.removed_height != 0) {
    removal_->new_owners = new_owners(news.recoveries, *chain.final_state(), replica_.self());
    owners_seen_ = news.recoveries.size();
  }
  return {};
}

Status Follower::check_vouched(const FollowNews& news) const {
  if (news.steps.empty()) return {};
  if (news.steps.back().block) return fail(Code::kRefused, "blocks without a checkpoint");
  ledger::Chain& chain = replica_.chain();
  const auto head = SEALIFT_TRY(ledger::parse_signed_head(as_bytes(news.steps.back().note)));
  const auto state = chain.state();
  const ledger::Serving serving = state->serving();
  const bool served = head.head.domain == replica_.domain() && head.head.term == serving.term &&
                      head.head.server == serving.server;
  if (!served) return fail(Code::kRefused, "a checkpoint that is not the server's");
  SEALIFT_TRY_STATUS(ledger::verify_server(head, state->member_set()));
  // Only now is every block read.
  std::vector<crypto::Digest> leaves;
  const auto add = [&](const ledger::BlockHeader& header) {
    leaves.push_back(header.leaf_hash());
    return header.height == leaves.size();
  };
  for (std::uint64_t height = 1; height <= chain.height(); ++height)
    add(SEALIFT_TRY(chain.block(height)).header);
  for (const Step& step : news.steps) {
    if (step.block && !add(step.block->header)) return fail(Code::kRefused, "blocks that do not follow ours");
  }
  const bool covers = head.head.size == leaves.size() && head.head.root == crypto::merkle_root(leaves);
  if (!covers) return fail(Code::kRefused, "a checkpoint that is not of these blocks");
  return {};
}

Status Follower::take_from_member(const FollowNews& news) {
  SEALIFT_TRY_STATUS(check_vouched(news));
  return take(news);
}

Status Follower::see_removal() {
  if (removal_ || !replica_.removed()) return {};
  ledger::Chain& chain = replica_.chain();
  ExpulsionProof proof;
  proof.height = SEALIFT_TRY(replica_.removed_height(replica_.self()));
  proof.block = ledger::encode_block(SEALIFT_TRY(chain.block(proof.height)));
  proof.checkpoint = as_text(SEALIFT_TRY(chain.final_checkpoint(proof.height)));
  log_warning("domain.removed", {{"host", replica_.self().text()}, {"height", proof.height}});
  removal_ = std::move(proof);
  return {};
}

std::vector<ExpulsionProof::NewOwner> new_owners(const std::vector<Bytes>& recoveries,
                                                 const ledger::State& state, const ledger::HostName& lost) {
  std::vector<ExpulsionProof::NewOwner> owners;
  for (const Bytes& envelope : recoveries) {
    auto record = ledger::parse_record(envelope);
    if (!record || record->domain != state.domain()) continue;
    const auto* body = std::get_if<ledger::VmRecover>(&record->body);
    if (body == nullptr || body->lost != lost) continue;
    const ledger::VmRecover recover = *body;
    const auto verified = ledger::verify_record(std::move(*record), state);
    if (!verified || verified->signers().size() < ledger::approvals_needed(state, lost)) continue;
    owners.push_back({recover.vm, recover.owner, recover.epoch});
  }
  return owners;
}

}  // namespace sealift::domain
