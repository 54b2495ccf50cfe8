#pragma once

// Node's inside: the core of the moment, the RPC services that outlive it, and how one replaces the other.

#include <atomic>
#include <deque>
#include <future>

#include "domain/core.hpp"
#include "domain/node.hpp"
#include "domain/replacement.hpp"

namespace sealift::domain {

struct Node::Impl {
  Impl(const crypto::Identity& node_identity, NodeOptions node_options);

  using CoreRef = std::shared_ptr<Core>;  // shared: whoever is inside a call keeps its core until it returns

  // kUnavailable while one domain is being replaced by another.
  Result<CoreRef> core() const;
  Status open_core();
  // Ends the core, waits until nobody uses it, puts the new domain in its place and starts it.
  Status replace(const Replacement& replacement);
  ledger::Genesis own_genesis() const;

  void make_services();
  Result<Json> follow(const crypto::PublicKey& peer, const Json& params, const Stop& stop);
  Result<Json> submit(const Json& params, const Stop& stop);
  Result<Json> ask(const Json& params, const Stop& stop);
  Result<Json> answer(const Json& params);
  Result<Json> propose(const Json& params, const Stop& stop);
  Result<Json> join_genesis(const Json& params);
  Result<Json> join_request(const crypto::PublicKey& peer, const Json& params, const Stop& stop);
  void serve_join(net::PeerConnection connection, const Stop& stop);

  // Of a majority of the set; its final height may have to be waited for.
  Result<std::vector<Bytes>> quorum_answers(Core& core, const ledger::MemberSet& set, ByteView nonce,
                                            Deadline deadline, const Stop& stop);
  // To whoever serves: here, or over there.
  Result<ProposalEntry> propose_envelope(Core& core, ByteView envelope, Deadline deadline, const Stop& stop);
  Result<std::vector<ProposalEntry>> open_proposals(Core& core, Deadline deadline, const Stop& stop);

  const crypto::Identity identity;
  const NodeOptions options;
  net::RpcService ledger_service;
  net::RpcService join_service;
  std::atomic<int> joins{0};
  std::atomic<net::PeerServer*> server{nullptr};

  struct Slot {
    CoreRef core;
    std::future<void> gone;  // ready when the core has been destroyed
    std::shared_ptr<const ledger::State> last_state;
    std::uint64_t last_height = 0;
    std::deque<ledger::Genesis> geneses;  // references handed out stay good
    bool started = false;
  };
  mutable Guarded<Slot> slot;
  std::mutex replacing;  // one join or leave at a time
};

// A proposal as it is shown.
Result<Proposal> show_proposal(const ProposalEntry& entry, const ledger::State& state);

}  // namespace sealift::domain
