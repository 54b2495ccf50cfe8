// Blocks that come in: made here, or made by the server.
#include <algorithm>

#include "base/check.hpp"
#include "ledger/embedded/chain_inner.hpp"
#include "ledger/membership.hpp"

namespace sealift::ledger {

namespace {

using Guard = std::lock_guard<std::mutex>;

std::string join_names(const std::vector<HostName>& names) {
  std::string text;
  for (const HostName& name : names) text += (text.empty() ? "" : ", ") + name.text();
  return text;
}

}  // namespace

std::vector<RecordPlace> change_of(const Block& block, const Executed& executed) {
  if (!executed.change) return {};
  return {RecordPlace{block.header.height, *executed.change}};
}

Status Chain::Inner::check_may_follow() const {
  if (last_change == 0 || last_change <= final || last_change != height()) return {};
  return fail(
      Code::kUnavailable,
      "block {} changes the members and is not final yet: no block follows before it is; waiting for {}",
      last_change, join_names(votes.missing(last_change, set_for(last_change))));
}

std::uint64_t Chain::Inner::now_seconds() const {
  return static_cast<std::uint64_t>(clock.wall().time_since_epoch().count() / 1000);
}

StoredHead Chain::Inner::sign_next(const BlockHeader& header) const {
  StoredHead stored;
  stored.head = {store.genesis().id(), header.height, log.root_with(header.leaf_hash()), header.term,
                 self.name};
  stored.signatures = {sign_head(stored.head, self.identity),
                       cosign_head(stored.head, self.name, self.identity, now_seconds())};
  return stored;
}

void Chain::Inner::push(const Block& block, Executed executed) {
  headers.push_back(block.header);
  log.append(block.header.leaf_hash());
  if (executed.change) {
    last_change = block.header.height;
    sets[last_change + 1] = executed.state.member_set();
  }
  states.push_back(std::make_shared<const State>(std::move(executed.state)));
}

void Chain::Inner::cut(std::uint64_t from_height) {
  SEALIFT_CHECK(from_height > final);
  headers.resize(from_height - 1);
  log.truncate(from_height - 1);
  states.resize(from_height - final);
  sets.erase(sets.upper_bound(from_height), sets.end());
  last_change = sets.rbegin()->first - 1;
}

Result<Chain::Appended> Chain::append(const std::vector<Bytes>& records, WallTime time) {
  Guard guard(inner_->mutex);
  Inner& in = *inner_;
  const Serving serving = in.tip()->serving();
  if (serving.server != in.self.name)
    return fail(Code::kRefused, "{} serves this ledger, not {}", serving.server.text(), in.self.name.text());
  if (in.promise.term > serving.term) {
    return fail(Code::kRefused, "this host has promised term {} to {}: it serves term {} no more",
                in.promise.term, in.promise.server.text(), serving.term);
  }
  if (!in.tip()->member(in.self.name))
    return fail(Code::kRefused, "{} is not a member any more and serves no more", in.self.name.text());
  SEALIFT_TRY_STATUS(in.check_may_follow());
  Appended appended;
  std::vector<Bytes> fresh;
  std::vector<std::size_t> positions;
  for (const Bytes& record : records) {
    Outcome outcome{record_id(record), Outcome::Kind::kAlready, {}};
    const auto place = SEALIFT_TRY(in.store.place(outcome.id));
    const bool twice = std::ranges::find(fresh, record) != fresh.end();
    if (!place && !twice) {
      positions.push_back(appended.outcomes.size());
      fresh.push_back(record);
    }
    appended.outcomes.push_back(std::move(outcome));
  }
  const auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch().count(), 0));
  Built built = SEALIFT_TRY(build(in.end(), *in.tip(), fresh, now));
  Store::Write write;
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    Outcome& outcome = appended.outcomes[positions[i]];
    outcome.reason = built.tried[i].reason;
    switch (built.tried[i].kind) {
      case Tried::Kind::kIncluded: outcome.kind = Outcome::Kind::kIncluded; break;
      case Tried::Kind::kDeferred: outcome.kind = Outcome::Kind::kDeferred; break;
      case Tried::Kind::kRefused:
        outcome.kind = Outcome::Kind::kRefused;
        write.refused.emplace_back(outcome.id, outcome.reason);
        break;
    }
  }
  if (built.block) {
    StoredHead head = in.sign_next(built.block->header);
    write.blocks = {*built.block};
    write.changes = change_of(*built.block, *built.executed);
    write.voted = Voted{head.head.term, head.head.size, head.head.root};
    write.heads = {std::move(head)};
  }
  if (built.block || !write.refused.empty()) SEALIFT_TRY_STATUS(in.store.write(write));
  if (built.block) {
    in.push(*built.block, std::move(*built.executed));
    in.count_vote(*write.voted);
    in.advance();
  }
  appended.block = std::move(built.block);
  in.bell.ring();
  return appended;
}

Result<crypto::NoteSignature> Chain::replace_and_cosign(const std::vector<Block>& blocks,
                                                        std::string_view checkpoint) {
  Guard guard(inner_->mutex);
  Inner& in = *inner_;
  const SignedHead signed_head = SEALIFT_TRY(parse_signed_head(as_bytes(checkpoint)));
  const LogHead& head = signed_head.head;
  const std::uint64_t from = blocks.empty() ? head.size + 1 : blocks.front().header.height;
  if (from <= in.final) {
    return fail(Code::kRefused, "block {} is final ({}): a final block is never replaced", from,
                in.headers[from - 1].hash().hex());
  }
  if (from > in.height() + 1)
    return fail(Code::kUnavailable, "block {} is next, not {}", in.height() + 1, from);
  SEALIFT_TRY_STATUS(in.check_vote(head, in.tip()->serving()));
  if (head.term <= in.headers.back().term)
    return fail(Code::kRefused, "only a new term leaves blocks out; {} is not above {}", head.term,
                in.headers.back().term);
  LogTree tree = in.log;
  tree.truncate(from - 1);
  ChainEnd end{from - 1, from == 1 ? 0 : in.headers[from - 2].time_ms,
               from == 1 ? in.store.genesis().id().digest : in.headers[from - 2].hash()};
  auto state = in.state_after(from - 1);
  std::vector<Executed> executed;
  Store::Write write;
  write.replace_from = from;
  for (const Block& block : blocks) {
    executed.push_back(SEALIFT_TRY(execute(end, executed.empty() ? *state : executed.back().state, block)));
    for (const RecordPlace& place : change_of(block, executed.back())) write.changes.push_back(place);
    tree.append(block.header.leaf_hash());
    end = {block.header.height, block.header.time_ms, block.header.hash()};
  }
  const MemberSet set = executed.empty() ? state->member_set() : executed.back().state.member_set();
  SEALIFT_TRY_STATUS(verify_server(signed_head, set));
  if (head.domain != in.store.genesis().id() || head.size != tree.size() ||
      head.root != tree.root(tree.size()))
    return fail(Code::kCorrupt, "the checkpoint of block {} does not cover exactly these blocks", head.size);
  crypto::NoteSignature ours = cosign_head(head, in.self.name, in.self.identity, in.now_seconds());
  write.blocks = blocks;
  write.heads = {StoredHead{head, signed_head.note.signatures}};
  write.heads.front().signatures.push_back(ours);
  write.voted = Voted{head.term, head.size, head.root};
  SEALIFT_TRY_STATUS(in.store.write(write));
  in.cut(from);
  for (std::size_t i = 0; i < blocks.size(); ++i) in.push(blocks[i], std::move(executed[i]));
  in.voted = write.voted;
  in.votes = Votes();
  SEALIFT_TRY_STATUS(in.load_votes());
  in.advance();
  in.bell.ring();
  return ours;
}

}  // namespace sealift::ledger
