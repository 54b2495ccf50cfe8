#pragma once

// What a Chain is made of (internal to the module). Everything here is called with the mutex held.

#include <deque>
#include <map>
#include <mutex>

#include "ledger/embedded/bell.hpp"
#include "ledger/embedded/chain.hpp"
#include "ledger/embedded/execute.hpp"
#include "ledger/embedded/log_tree.hpp"
#include "ledger/embedded/votes.hpp"

namespace sealift::ledger {

// What the store keeps of a block that changes the members.
std::vector<RecordPlace> change_of(const Block& block, const Executed& executed);

struct Chain::Inner {
  Inner(Store opened, Self host, const Clock& time)
      : store(std::move(opened)), self(std::move(host)), clock(time) {}

  std::mutex mutex;
  Store store;
  Self self;
  const Clock& clock;
  Bell bell;

  LogTree log;
  std::vector<BlockHeader> headers;         // [height - 1]
  std::map<std::uint64_t, MemberSet> sets;  // from that height on, until the next one
  std::uint64_t final = 0;
  // States after the blocks final … tip. Shared: readers keep snapshots while the chain grows.
  std::deque<std::shared_ptr<const State>> states;
  std::uint64_t kept_height = 0;      // of the state in the store
  std::shared_ptr<const State> kept;  // that one; null: none there
  std::uint64_t last_change = 0;      // height of the last membership change
  Votes votes;
  Promise promise;
  std::optional<Voted> voted;

  // chain_open.cpp
  Status load();
  Status load_headers();
  Status load_sets();
  Status load_state();
  Status load_votes();
  Status check_kept();
  Status replay();

  std::uint64_t height() const { return headers.size(); }
  ChainEnd end() const;
  const std::shared_ptr<const State>& tip() const { return states.back(); }
  const std::shared_ptr<const State>& state_after(std::uint64_t height) const {
    return states[height - final];
  }
  const MemberSet& set_for(std::uint64_t height) const;                       // who count for that block
  std::vector<crypto::NamedKey> known_keys(std::uint64_t from_height) const;  // of all sets from there on

  // chain_accept.cpp
  Result<std::optional<Executed>> check_next(const Block& block,
                                             Arrival arrival);  // nothing: it is here already
  Status accept(const Block& block, Executed executed, Store::Write write);
  Result<std::optional<Store::Write>> vote_with(const BlockHeader& header, const Executed& executed,
                                                const SignedHead& signed_head);

  // chain_write.cpp
  Status check_may_follow() const;  // kUnavailable while a membership change waits for its quorum
  void push(const Block& block, Executed executed);
  void cut(std::uint64_t from_height);
  std::uint64_t now_seconds() const;
  StoredHead sign_next(const BlockHeader& header) const;  // the checkpoint that the block will make

  // chain_sign.cpp
  void advance();  // final grows as far as the votes reach
  Result<crypto::NoteSignature> cosign(const SignedHead& signed_head);
  // What cosigning it will store; everything about it has been checked.
  Result<Store::Write> make_vote(const SignedHead& signed_head,
                                 std::span<const crypto::NamedKey> known) const;
  void count_vote(const Voted& vote);
  Status take_signatures(const SignedHead& signed_head, std::span<const crypto::NamedKey> known);
  Result<std::optional<StoredHead>> news_in(const SignedHead& signed_head,
                                            std::span<const crypto::NamedKey> known);
  Status take_votes(const SignedHead& signed_head, std::span<const crypto::NamedKey> keys);
  Status check_served(const LogHead& head, const Serving& serving) const;
  Status check_vote(const LogHead& head, const Serving& serving) const;
  std::unexpected<Error> report_fork(std::uint64_t height, std::string text, Bytes ours, Bytes theirs);
  Status check_same_history(const SignedHead& signed_head);
  void keep_state();
};

}  // namespace sealift::ledger
