#pragma once

// Store: the embedded ledger's SQLite file. It keeps what Chain decided and gives back exactly that; what the
// bytes mean, Chain checks again when it opens. Every write is one transaction: durable when the call has
// returned, or, where Chain says so, with the next one that is (Durable).
//
// - genesis: the exact file
// - block: height, header, hash; record: id, height, position, envelope
// - change: height and position of every membership change
// - checkpoint: term, size, text; signature: the server's and the cosignatures, by term, size, name
// - voted: the last head that this host cosigned; promise: the highest term promised, and to whom
// - state: the state at one final height, so that opening replays little
// - replaced: left-out blocks, kept as they were; fork: evidence, both versions
// - refused: the last kRefusedMax refusals of this server

#include "base/database.hpp"
#include "ledger/block.hpp"
#include "ledger/checkpoint.hpp"

namespace sealift::ledger {

constexpr std::size_t kRefusedMax = 4096;

struct StoredHead {
  LogHead head;
  std::vector<crypto::NoteSignature> signatures;  // the server's first, then cosignatures
  std::string note() const;
};
struct Voted {
  std::uint64_t term = 0, size = 0;
  crypto::Digest root;
};
struct Promise {
  std::uint64_t term = 0;
  HostName server;
};
struct ForkEvidence {
  std::uint64_t height = 0;
  std::string text;    // in words, names both versions
  Bytes ours, theirs;  // headers or checkpoints
};

// What a write costs. kWithNext: no sync of its own; it is in the file in order, so it becomes durable with
// the next kNow, and a power failure before that loses it and all after it, never one before it. For what can
// be had again.
enum class Durable { kNow, kWithNext };

class Store {
 public:
  // create: kConflict when the file holds another domain already (the same one: opened).
  static Result<Store> create(const file::Path& path, const Genesis& genesis);
  static Result<Store> open(const file::Path& path);
  static Result<Store> create_in_memory(const Genesis& genesis);  // not durable: tests and `ledger verify`

  const Genesis& genesis() const { return genesis_; }

  // What one step of Chain changes, all or nothing.
  struct Write {
    std::optional<std::uint64_t> replace_from;  // blocks from that height on move to `replaced` first
    std::vector<Block> blocks;
    std::vector<RecordPlace> changes;
    std::vector<StoredHead> heads;  // added to what is known of that head
    std::optional<Voted> voted;
    std::optional<Promise> promise;
    std::vector<ForkEvidence> forks;
    std::vector<std::pair<RecordId, std::string>> refused;
  };
  Status write(const Write& write, Durable durable = Durable::kNow);
  // Replaces the kept state, durable with the next write; only what differs from `kept` is written (nullptr:
  // all).
  Status write_state(std::uint64_t height, const State& state, const State* kept);

  Result<std::uint64_t> height();
  Result<Block> block(std::uint64_t height);  // kNotFound; kCorrupt names the height
  Result<std::vector<BlockHeader>> headers();
  Result<std::optional<RecordPlace>> place(const RecordId& id);
  Result<std::vector<RecordPlace>> changes();
  Result<std::vector<StoredHead>> heads(std::uint64_t size_least, std::uint64_t size_most);
  Result<std::optional<StoredHead>> newest_head();
  Result<std::optional<StoredHead>> head(std::uint64_t term, std::uint64_t size);
  Result<std::optional<Voted>> voted();
  Result<Promise> promise();
  Result<bool> any_replaced();
  Result<std::optional<std::string>> refusal(const RecordId& id);
  Result<std::vector<ForkEvidence>> forks();
  struct KeptState {
    std::uint64_t height = 0;
    std::vector<std::pair<std::string, std::string>> pairs;
  };
  Result<std::optional<KeptState>> state();

 private:
  Store(Database database, Genesis genesis) : database_(std::move(database)), genesis_(std::move(genesis)) {}
  Database database_;
  Genesis genesis_;
};

}  // namespace sealift::ledger
