// A follower's next block: checked, stored, and cosigned in the same transaction where that can be.
#include "ledger/embedded/chain_inner.hpp"

namespace sealift::ledger {

namespace {

using Guard = std::lock_guard<std::mutex>;

}  // namespace

Result<std::optional<Executed>> Chain::Inner::check_next(const Block& block, Arrival arrival) {
  const BlockHeader& header = block.header;
  if (header.height <= height()) {
    const BlockHeader& ours = headers[header.height - 1];
    if (ours == header) return std::optional<Executed>();
    if (ours.term != header.term) {
      return fail(Code::kConflict,
                  "block {} is {} here (term {}) and {} there (term {}): one of them was left out",
                  header.height, ours.hash().hex(), ours.term, header.hash().hex(), header.term);
    }
    return report_fork(header.height,
                       fmt::format("block {}: {} here, {} there, both of term {}", header.height,
                                   ours.hash().hex(), header.hash().hex(), header.term),
                       ours.encode(), header.encode());
  }
  if (header.height == height() + 1 && header.previous != end().hash && height() > 0) {
    const BlockHeader& ours = headers.back();
    if (ours.term == header.term) {
      return report_fork(ours.height,
                         fmt::format("block {}: {} here, {} there, both of term {}", ours.height,
                                     ours.hash().hex(), header.previous.hex(), header.term),
                         ours.encode(), header.encode());
    }
  }
  if (header.height != height() + 1)
    return fail(Code::kUnavailable, "block {} came, block {} is next", header.height, height() + 1);
  const auto now = static_cast<std::uint64_t>(clock.wall().time_since_epoch().count());
  const std::uint64_t skew = tip()->policy().skew_ms;
  const bool late = arrival == Arrival::kLive && header.time_ms + skew < now;
  if (header.time_ms > now + skew || late) {
    return fail(Code::kRefused,
                "block {} says {}, this host's clock {}: more than {} ms apart; set the clocks",
                header.height, to_iso8601(header.time()), to_iso8601(clock.wall()), skew);
  }
  Executed executed = SEALIFT_TRY(execute(end(), *tip(), block));
  const bool opens_term = executed.state.serving().term != tip()->serving().term;
  if (!opens_term) SEALIFT_TRY_STATUS(check_may_follow());
  return std::optional(std::move(executed));
}

Status Chain::Inner::accept(const Block& block, Executed executed, Store::Write write) {
  write.blocks = {block};
  write.changes = change_of(block, executed);
  SEALIFT_TRY_STATUS(store.write(write));
  push(block, std::move(executed));
  if (write.voted) count_vote(*write.voted);
  advance();
  bell.ring();
  return {};
}

// The vote for the checkpoint of a block that is about to be accepted; nothing where the two don't fit, or
// where the block changes who counts: then the block comes first, and cosign() looks at the checkpoint by
// what is true after it.
Result<std::optional<Store::Write>> Chain::Inner::vote_with(const BlockHeader& header,
                                                            const Executed& executed,
                                                            const SignedHead& signed_head) {
  const LogHead& head = signed_head.head;
  const bool fits = head.domain == store.genesis().id() && head.size == header.height &&
                    head.term == header.term && head.root == log.root_with(header.leaf_hash());
  if (!fits || executed.change) return std::optional<Store::Write>();
  const auto known = known_keys(final + 1);
  SEALIFT_TRY_STATUS(verify_server(signed_head, executed.state.member_set()));
  SEALIFT_TRY_STATUS(check_vote(head, executed.state.serving()));
  auto write = SEALIFT_TRY(make_vote(signed_head, known));
  SEALIFT_TRY_STATUS(take_votes(signed_head, known));
  return std::optional(std::move(write));
}

Status Chain::accept_block(const Block& block, Arrival arrival) {
  Guard guard(inner_->mutex);
  auto executed = SEALIFT_TRY(inner_->check_next(block, arrival));
  if (!executed) return {};
  return inner_->accept(block, std::move(*executed), {});
}

Status Chain::accept_and_cosign(const Block& block, Arrival arrival, std::string_view checkpoint) {
  Guard guard(inner_->mutex);
  Inner& in = *inner_;
  const SignedHead signed_head = SEALIFT_TRY(parse_signed_head(as_bytes(checkpoint)));
  auto executed = SEALIFT_TRY(in.check_next(block, arrival));
  if (executed) {
    // A block that may not be cosigned is a block all the same.
    auto vote = in.vote_with(block.header, *executed, signed_head);
    const bool cosigned = vote && vote->has_value();
    SEALIFT_TRY_STATUS(in.accept(block, std::move(*executed), cosigned ? std::move(**vote) : Store::Write{}));
    if (!vote) return std::unexpected(vote.error());
    if (cosigned) return {};
  }
  SEALIFT_TRY(in.cosign(signed_head));
  return {};
}

}  // namespace sealift::ledger
