#pragma once

// Follower: what a follower does with the server's news, and what it says next. No sockets, no threads: the
// loop around it (follow_loop.hpp) carries request() there and the news back to take().
//
// A block that the server made while we were connected must have a time within the policy's skew of our
// clock; of older ones, which we catch up with, only one from the future is refused.

#include "domain/replica.hpp"

namespace sealift::domain {

class Follower {
 public:
  explicit Follower(Replica& replica) : replica_(replica) {}

  // A new connection: nothing is known of what the server had before.
  void begin_session();
  FollowRequest request();
  // Everything that it returns is durable. kCorrupt: the server contradicts itself or us, the replica has
  // halted if there is proof. kRefused: clocks apart, or a time out of skew. kUnsupported: newer rules.
  Status take(const FollowNews& news);
  // News of a member that does not serve: taken only if the server's own checkpoint covers every block of it,
  // so that nobody but the server can make us believe, or seem to have heard, another story. kRefused
  // otherwise.
  Status take_from_member(const FollowNews& news);
  // Once this host is a member no longer, by its own final state: take() looks, and so does see_removal().
  Status see_removal();
  const std::optional<ExpulsionProof>& removal() const { return removal_; }
  bool clocks_apart() const { return clocks_apart_; }

 private:
  Status check_clock(const FollowNews& news);
  Status check_vouched(const FollowNews& news) const;
  Status take_note(const std::string& note, bool newest);

  Replica& replica_;
  std::optional<std::uint64_t> announced_;  // the server's tip when it last spoke in this session
  std::uint64_t asks_seen_ = 0;
  std::vector<AskAnswer> answers_;
  std::uint64_t owners_seen_ = 0;
  bool clocks_apart_ = false;
  std::optional<ExpulsionProof> removal_;
};

// Recoveries of this host's VMs, each approved by enough of the members that it knew last.
std::vector<ExpulsionProof::NewOwner> new_owners(const std::vector<Bytes>& recoveries,
                                                 const ledger::State& state, const ledger::HostName& lost);

}  // namespace sealift::domain
