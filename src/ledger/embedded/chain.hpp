#pragma once

// Chain: the embedded engine's core, used by the server and by every follower; no sockets, no threads of its
// own. All calls may come from several threads. Blocks, our own cosignatures and promises are durable when a
// call has returned: one sync per host and block. Signatures of others are durable with the next of these;
// who signed them still has them, so that a power failure costs no more than hearing them again.
//
//   server    append() makes a block, its checkpoint and its own cosignature in one transaction;
//             add_signatures() takes the followers' cosignatures, final_height() grows.
//   follower  accept_block() verifies everything; cosign() answers a checkpoint of the server;
//             accept_and_cosign() does both in one transaction; add_signatures() takes the others'
//             cosignatures.
// A checkpoint counts only from who serves its term, by the state or by this host's promise: any member could
// sign another one, so that is refused before it is compared with anything, and is never evidence. A block is
// final when a majority of the members who count for it have cosigned checkpoints of one term that cover it,
// and every block before it is final. No block follows a membership change before that is final. A block or
// checkpoint that contradicts ours in the same term is a fork: kCorrupt, the message names the height and
// both versions, the evidence is kept (forks()). A rewritten file is found by open(), which names the height.

#include "base/clock.hpp"
#include "ledger/embedded/store.hpp"
#include "ledger/ledger.hpp"
#include "ledger/receipt.hpp"
#include "ledger/rules.hpp"

namespace sealift::ledger {

class Chain final : public ReceiptSource {
 public:
  struct Self {
    HostName name;
    crypto::Identity identity;
  };
  // Reads and checks the whole store. kCorrupt names the height of the first thing that does not hold.
  static Result<std::unique_ptr<Chain>> open(Store store, Self self, const Clock& clock = system_clock());
  ~Chain() override;

  const Genesis& genesis() const;
  const HostName& self() const;
  std::uint64_t height() const;  // of the last block; 0: none yet
  crypto::Digest tip_hash() const;
  std::uint64_t final_height() const;
  std::shared_ptr<const State> state() const;        // after the last block
  std::shared_ptr<const State> final_state() const;  // after the last final block
  MemberSet members_for_next() const;                // who count for the next block
  bool serving() const;                              // this host serves the term, by the state

  // Server. Records that the rules refuse are left out, with the reason; kDeferred: not in this block, submit
  // again with the next one (a membership change ends a block; the block is full). No accepted record: no
  // block. kRefused: this host does not serve, or has promised a higher term. kUnavailable: a membership
  // change waits for its quorum (which block, who is missing). The time is moved up to the last block's when
  // it is before it.
  struct Outcome {
    enum class Kind { kIncluded, kAlready, kRefused, kDeferred };
    RecordId id;
    Kind kind = Kind::kDeferred;
    std::string reason;
  };
  struct Appended {
    std::optional<Block> block;
    std::vector<Outcome> outcomes;  // one per record, in order
  };
  Result<Appended> append(const std::vector<Bytes>& records, WallTime time);

  // Follower. Idempotent for blocks that are here. kLive: the time must be within the policy's skew of our
  // clock; kCatchUp: it must not be later than that. kUnsupported: rules or format newer than this build; the
  // message says which version to install, the block is not called invalid.
  enum class Arrival { kLive, kCatchUp };
  Status accept_block(const Block& block, Arrival arrival);
  // The same, and cosign() for the server's checkpoint of exactly that block. One transaction, unless the
  // block changes the members.
  Status accept_and_cosign(const Block& block, Arrival arrival, std::string_view checkpoint);

  // The newest checkpoint with every signature known here; the form in which it travels. kNotFound: no block
  // yet.
  Result<std::string> checkpoint() const;
  // Ours on the server's checkpoint: durable before it is returned. Only for what we hold ourselves
  // (kUnavailable: send blocks up to that height first), never below a promise, never beside an older one of
  // ours.
  Result<crypto::NoteSignature> cosign(std::string_view checkpoint);
  // Signatures of members on a checkpoint of our own chain, from any source. Returns final_height()
  // afterwards. kUnavailable: it covers blocks that are not here yet. kRefused: of who does not serve its
  // term.
  Result<std::uint64_t> add_signatures(std::string_view checkpoint);

  // Terms. A promise is for a higher term than any before, to one server; the same one again is fine.
  Status promise(std::uint64_t term, const HostName& server);
  Promise promised() const;
  // A new term's chain without some of our blocks: they are replaced and the checkpoint is cosigned in one
  // transaction. kRefused when one of them is final.
  Result<crypto::NoteSignature> replace_and_cosign(const std::vector<Block>& blocks,
                                                   std::string_view checkpoint);

  Result<RecordStatus> status(const RecordId& id);
  Result<std::vector<ForkEvidence>> forks();
  Result<std::vector<LogEntry>> log(std::uint64_t from_height, std::size_t count_max);
  // Members whose cosignature the next unfinal block waits for; empty when all is final.
  std::vector<HostName> waiting_for() const;
  // Until status(id) is final or refused, or final_height() > height; kTimeout, kCancelled.
  Result<RecordStatus> wait(const RecordId& id, Deadline deadline, const Stop& stop);
  Result<std::uint64_t> wait_beyond(std::uint64_t height, Deadline deadline, const Stop& stop);

  // ReceiptSource; and whole receipts.
  Result<RecordPlace> place(const RecordId& id) override;
  Result<Block> block(std::uint64_t height) override;
  Result<Bytes> quorum_checkpoint(std::uint64_t height, const MemberSet& set) override;
  Result<crypto::MerkleProof> log_proof(std::uint64_t height, std::uint64_t size) override;
  Result<std::vector<RecordPlace>> membership_changes(std::uint64_t below_height) override;
  Result<Bytes> receipt(const MoveId& move);
  // The checkpoint that made a block final, for a follower that catches up: accept_block() waits for it after
  // each membership change (kUnavailable), add_signatures() takes it.
  Result<Bytes> final_checkpoint(std::uint64_t height);

 private:
  struct Inner;
  explicit Chain(std::unique_ptr<Inner> inner);
  std::unique_ptr<Inner> inner_;
};

}  // namespace sealift::ledger
