#pragma once

// Server: the part of the host that serves the term. It orders records, hands blocks to the followers that
// hold a request open, and gathers what they answer. One block is in flight at a time: what arrives meanwhile
// is the next block. On a follower it is there, too, and refuses (kRefused, naming who serves).
//
// After its start it appends nothing before a quorum of the members has shown where they stand: a server
// whose store is older than what it has signed learns it then, and halts, instead of signing a second story.

#include <deque>
#include <map>
#include <set>

#include "domain/replica.hpp"

namespace sealift::domain {

class Server {
 public:
  explicit Server(Replica& replica);

  // Makes blocks until stopped. wake() after pulling its stop.
  void run(const Stop& stop);
  // One batch; true when it made a block. run() in small steps, for a deterministic test.
  bool step();
  void wake();
  void close();  // lets every held call go; nothing is held afterwards

  // Until it is in a durable block: its height. kRefused: by the rules, and final state shows why.
  // kUnavailable: names what is waited for; the record stays queued, so the outcome is unknown.
  Result<std::uint64_t> submit(ByteView envelope, Deadline deadline, const Stop& stop);
  bool queued(const ledger::RecordId& id);
  // submit() without the wait.
  Status enqueue(ByteView envelope);

  struct Asker {
    ledger::HostName name;
    std::uint64_t removed_height = 0;  // not 0: a former member
  };
  // Takes what the follower brings (cosignature, answers). kCorrupt: our stories differ, one of us halts.
  Status hear(const Asker& asker, const FollowRequest& request);
  // What it does not have yet; nothing: hold its request.
  Result<std::optional<FollowNews>> news(const Asker& asker, const FollowRequest& request);
  // hear(), then news() as soon as there is some, or at the end of `hold` without.
  Result<FollowNews> follow(const Asker& asker, const FollowRequest& request, Milliseconds hold,
                            const Stop& stop);

  // Signed answers of a quorum, this host's and `askers` (may be empty) among them. kUnavailable names who is
  // silent.
  Result<std::vector<Bytes>> ask(ByteView nonce, ByteView askers, Deadline deadline, const Stop& stop);

  // k-of-members records: merges signatures; submits when the rules are content.
  Result<ProposalEntry> propose(ByteView envelope, Deadline deadline, const Stop& stop);
  Result<std::vector<ProposalEntry>> proposals();

  std::string waiting_for();
  std::vector<PeerStatus> peers();

 private:
  struct Entry {  // one record on its way
    Bytes envelope;
    enum class Fate { kQueued, kIncluded, kRefused } fate = Fate::kQueued;
    std::uint64_t height = 0;  // of its block; of the state that refused it
    Error refusal{Code::kRefused, {}};
  };
  struct OpenAsk {
    Bytes nonce;
    std::map<ledger::HostName, Bytes> answers;
  };
  struct Peer {
    std::uint64_t cosigned = 0;
    std::size_t requests = 0;  // held now
    WallTime seen{};
  };
  struct Hub {
    std::uint64_t version = 0;  // grows with every news
    bool closed = false;
    std::deque<ledger::RecordId> queue;
    std::map<ledger::RecordId, std::shared_ptr<Entry>> entries;  // shared: whoever waits keeps its entry
    std::map<std::uint64_t, OpenAsk> asks;
    std::uint64_t next_ask = 0;
    std::map<ledger::HostName, Peer> peers;
    std::set<ledger::HostName> heard;  // since the start
  };

  // The entry that waits; none: it is in that block already.
  struct Queued {
    std::shared_ptr<Entry> entry;  // shared: see Hub::entries
    std::uint64_t height = 0;
  };
  Result<Queued> put_in_queue(ByteView envelope);
  bool heard_quorum(Hub& hub) const;
  std::vector<Bytes> next_batch(Hub& hub) const;
  void settle(const ledger::Chain::Appended& appended);
  void refuse_all(const Error& error);
  Status compare_tips(const Asker& asker, const FollowRequest& request);
  Status take_note(const Asker& asker, const std::string& note);
  Result<std::vector<Step>> steps_for(const FollowRequest& request, std::uint64_t limit, bool cosigned);
  Result<std::vector<Bytes>> recoveries_of(const Asker& asker);
  void bump();

  Replica& replica_;
  Guarded<Hub> hub_;
};

}  // namespace sealift::domain
