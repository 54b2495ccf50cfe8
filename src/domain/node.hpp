#pragma once

// Node: the embedded ledger between hosts; this host's part in it, whichever it is at the moment.
//
//   alone     the domain has one member: a block is final when it is durable.
//   server    this host orders records: it makes blocks, gathers cosignatures, hands out final checkpoints.
//   follower  dials the server and keeps one request open there ("ledger.follow"): the answer comes at the
//   moment
//             when there is something. It verifies each block, stores it with its own cosignature in one
//             transaction, and answers by the next request. So one write costs one round trip and two syncs.
//   expelled  it got the proof of it (expelled()) and nothing since.
//   halted    it holds a proof of a fork or of a rewritten past (evidence()): it cosigns and submits nothing
//   more.
//
// Guests never depend on it. What waits says for what: errors of code kUnavailable and status().waiting_for.
//
// A block's life:  submit -> [server: rules, block, durable] -> push -> [follower: verify, durable, cosign]
//   -> [server: majority of the counting set: final] -> push.  After a change of who counts, the next block
//   waits.
//
// Files in the directory: genesis.json, ledger.db (ledger's store), domain.db (invitations, requests,
// evidence, where the server was last seen), and *.left-<time> beside them, kept of a domain that was left.
// All calls are thread-safe. Callbacks come from Node's own threads: they return soon and don't call
// join/leave.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "domain/invitation.hpp"
#include "ledger/ledger.hpp"
#include "net/dial.hpp"

namespace sealift::domain {

struct NodeOptions {
  file::Path directory;
  ledger::HostInfo self;  // name, endpoints that others dial, region, witness_only; the key is the identity's
  net::CallBacks* call_backs = nullptr;  // for members that cannot be dialled; outlives the node
  const Clock* clock = &system_clock();  // outlives the node
  Random* random = &system_random();     // likewise
  Milliseconds compare_every{10'000};    // followers compare checkpoints with each other; 0: only when told
  Milliseconds redial_max{2'000};        // longest pause between attempts to reach the server
  Milliseconds follow_hold{3'000};       // longest that the server holds an open request without news
  std::function<void()> on_joined;       // a new domain's state is there: register this host's VMs in it
  std::function<void(std::string)> on_alarm;  // expelled, fork, clocks apart: in words
};

enum class Role { kAlone, kServer, kFollower, kExpelled, kHalted };
std::string_view to_string(Role role);

struct PeerStatus {
  ledger::HostName name;
  bool connected = false;
  std::uint64_t cosigned = 0;  // height up to which this node holds its cosignature
};
struct NodeStatus {
  Role role = Role::kAlone;
  ledger::DomainId domain;
  ledger::HostName self;
  ledger::HostName server;
  std::uint64_t term = 1;
  std::uint64_t height = 0;  // of the last durable block here
  std::uint64_t final_height = 0;
  std::string waiting_for;        // empty: for nothing
  std::vector<PeerStatus> peers;  // a server's: every other member; a follower's: the server
};

// Two versions of one height, each with the checkpoint that its server signed.
struct Evidence {
  enum class Kind { kFork, kRewritten, kRolledBack };
  Kind kind = Kind::kFork;
  std::uint64_t height = 0;          // first height where they differ
  ledger::HostName against;          // who signed both, or whose store is older than its word
  Bytes ours_header, theirs_header;  // block headers of that height; may be empty where only heads are known
  std::string ours_head, theirs_head;  // the signed checkpoints, notes as text
  WallTime found{};
  std::string text;  // in words
};

// A record that needs k members, on its way.
struct Proposal {
  std::string id;       // 64 hex digits: SHA-256 of the DSSE payload
  std::string kind;     // "host.join", …
  std::string subject;  // host's name or VM id; "domain" for rules
  std::string text;     // in words
  Bytes envelope;       // with the signatures so far
  std::vector<ledger::HostName> signed_by;
  std::size_t needed = 1;
  bool submitted = false;
};

// Why this host counts no more. It came through the chain that this host verified block by block; new owners
// are named by vm.recover records that enough of the members it knew last have signed.
struct ExpulsionProof {
  std::uint64_t height = 0;
  Bytes block;             // encode_block: holds the host.expel or vm.recover
  std::string checkpoint;  // covers it; cosigned by a quorum of the members before it
  struct NewOwner {
    ledger::VmId vm;
    ledger::HostName owner;
    ledger::Epoch epoch;
  };
  std::vector<NewOwner> new_owners;  // of VMs that were this host's
};

class Node final : public ledger::Ledger {
 public:
  // The directory without a genesis.json: makes a domain of one. kConflict: identity and ledger contradict.
  // kCorrupt: the store's content does not hold together; nothing was changed.
  static Result<std::unique_ptr<Node>> open(const crypto::Identity& identity, NodeOptions options);
  ~Node() override;  // stops and joins; the PeerServer that it was attached to must be stopped before

  // Registers purposes "ledger" and "join". Others ("move") are the caller's; authorise() is asked for all.
  void attach(net::PeerServer& server);
  // "ledger", "move", and any other: members of the final state under their own names. "join": who says the
  // id of an outstanding invitation in its first request; one request each. An expelled member: only its
  // proof.
  Status authorise(const crypto::PublicKey& key, const net::Hello& hello) const;
  // Starts following or serving; before it nothing is dialled.
  void start();
  void stop();

  NodeStatus status() const;
  std::optional<Evidence> evidence() const;
  std::optional<ExpulsionProof> expelled() const;
  const ledger::Genesis& genesis() const;  // valid until join() or leave()

  // ledger::Ledger
  Result<ledger::RecordId> submit(ByteView envelope, Deadline deadline, const Stop& stop) override;
  Result<ledger::RecordStatus> status(const ledger::RecordId& id) override;
  Result<ledger::RecordStatus> wait(const ledger::RecordId& id, Deadline deadline, const Stop& stop) override;
  std::shared_ptr<const ledger::State> final_state() override;
  std::uint64_t final_height() override;
  Result<std::uint64_t> wait_beyond(std::uint64_t height, Deadline deadline, const Stop& stop) override;
  Result<ledger::QuorumAnswer> ask_quorum(ByteView nonce, Deadline deadline, const Stop& stop) override;
  Result<Bytes> receipt(const ledger::MoveId& move) override;
  Result<std::vector<ledger::LogEntry>> log(std::uint64_t from_height, std::size_t count_max) override;

  // Membership.
  struct InviteOptions {
    std::vector<net::Endpoint> endpoints;  // empty: the node's own
    Milliseconds valid_for{3'600'000};
  };
  Result<std::string> invite(const InviteOptions& options);

  // On a host that is alone. Returns when this host follows the new domain; repeating the same line goes on.
  // kTimeout: approvals are still missing, by whom it says. kConflict: not alone. kCorrupt: another genesis.
  // kUnauthorized: wrong secret. kRefused: expired, used, or a rule says no.
  Status join(std::string_view line, Deadline deadline, const Stop& stop);

  Result<std::vector<Proposal>> proposals(Deadline deadline, const Stop& stop);
  // `which`: a proposal's id, a prefix of it of 8 digits or more, or its subject where that is unambiguous.
  Result<Proposal> approve(std::string_view which, Deadline deadline, const Stop& stop);
  // Signs `body` (host.expel, host.leave, rules.activate, vm.recover, …) and submits it, or keeps it until k
  // members have signed. `number` fields are filled in here.
  Result<Proposal> propose(ledger::Body body, Deadline deadline, const Stop& stop);
  // Proposes host.leave of this host, waits until final, then makes a domain of one again.
  Status leave(Deadline deadline, const Stop& stop);
  // host.update of this host's endpoints.
  Result<ledger::RecordId> update_endpoints(std::vector<net::Endpoint> endpoints, Deadline deadline,
                                            const Stop& stop);

  // Asks that member for its checkpoint and compares it with ours; kCorrupt: contradiction, evidence is kept
  // and the node halts.
  Status compare_with(const ledger::HostName& member, Deadline deadline, const Stop& stop);

 private:
  struct Impl;
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::domain
