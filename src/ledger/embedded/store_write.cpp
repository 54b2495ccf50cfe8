#include "ledger/embedded/store.hpp"

#include <utility>

#include "base/check.hpp"

namespace sealift::ledger {

namespace {

constexpr std::uint64_t kForksMax = 256;  // the first ones tell the story

Status leave_out(Database& database, Store& store, std::uint64_t from) {
  const std::uint64_t last = SEALIFT_TRY(store.height());
  for (std::uint64_t height = from; height <= last; ++height) {
    const Block block = SEALIFT_TRY(store.block(height));
    Statement keep = SEALIFT_TRY(database.prepare("INSERT INTO replaced (height, block) VALUES (?, ?)"));
    SEALIFT_TRY_STATUS(keep.bind(height).bind(encode_block(block)).run());
  }
  // Checkpoints of left-out blocks go too: their signatures stand for nothing that is here.
  for (const char* sql : {"DELETE FROM record WHERE height >= ?", "DELETE FROM change WHERE height >= ?",
                          "DELETE FROM block WHERE height >= ?", "DELETE FROM signature WHERE size >= ?",
                          "DELETE FROM checkpoint WHERE size >= ?"}) {
    Statement remove = SEALIFT_TRY(database.prepare(sql));
    SEALIFT_TRY_STATUS(remove.bind(from).run());
  }
  return {};
}

Status write_block(Database& database, const Block& block) {
  Statement insert =
      SEALIFT_TRY(database.prepare("INSERT INTO block (height, header, hash) VALUES (?, ?, ?)"));
  SEALIFT_TRY_STATUS(
      insert.bind(block.header.height).bind(block.header.encode()).bind(block.header.hash().view()).run());
  for (std::size_t i = 0; i < block.records.size(); ++i) {
    Statement record = SEALIFT_TRY(
        database.prepare("INSERT INTO record (id, height, position, envelope) VALUES (?, ?, ?, ?)"));
    const RecordId id = record_id(block.records[i]);
    SEALIFT_TRY_STATUS(record.bind(id.digest.view())
                           .bind(block.header.height)
                           .bind(static_cast<std::uint64_t>(i))
                           .bind(block.records[i])
                           .run());
    Statement forget = SEALIFT_TRY(database.prepare("DELETE FROM refused WHERE id = ?"));
    SEALIFT_TRY_STATUS(forget.bind(id.digest.view()).run());
  }
  return {};
}

Status write_head(Database& database, const StoredHead& stored) {
  Statement head =
      SEALIFT_TRY(database.prepare("INSERT OR IGNORE INTO checkpoint (term, size, text) VALUES (?, ?, ?)"));
  SEALIFT_TRY_STATUS(
      head.bind(stored.head.term).bind(stored.head.size).bind(std::string_view(stored.head.text())).run());
  for (const crypto::NoteSignature& one : stored.signatures) {
    Statement insert = SEALIFT_TRY(database.prepare(
        "INSERT OR IGNORE INTO signature (term, size, name, key_id, signature) VALUES (?, ?, ?, ?, ?)"));
    insert.bind(stored.head.term).bind(stored.head.size).bind(std::string_view(one.name));
    SEALIFT_TRY_STATUS(insert.bind(ByteView(one.key_id)).bind(one.signature).run());
  }
  return {};
}

Status write_refusal(Database& database, const RecordId& id, const std::string& reason) {
  Statement insert =
      SEALIFT_TRY(database.prepare("INSERT OR REPLACE INTO refused (id, number, reason) "
                                   "VALUES (?, (SELECT coalesce(max(number), 0) + 1 FROM refused), ?)"));
  SEALIFT_TRY_STATUS(insert.bind(id.digest.view()).bind(std::string_view(reason)).run());
  Statement prune = SEALIFT_TRY(
      database.prepare("DELETE FROM refused WHERE number <= (SELECT max(number) FROM refused) - ?"));
  return prune.bind(static_cast<std::uint64_t>(kRefusedMax)).run();
}

Status write_fork(Database& database, const ForkEvidence& fork) {
  Statement insert =
      SEALIFT_TRY(database.prepare("INSERT INTO fork (height, text, ours, theirs) SELECT ?1, ?2, ?3, ?4 "
                                   "WHERE (SELECT count(*) FROM fork) < ?5 "
                                   "AND NOT EXISTS (SELECT 1 FROM fork WHERE height = ?1 AND theirs = ?4)"));
  return insert.bind(fork.height)
      .bind(std::string_view(fork.text))
      .bind(fork.ours)
      .bind(fork.theirs)
      .bind(kForksMax)
      .run();
}

// In WAL mode NORMAL appends in order and leaves the sync to the next commit under FULL, or to a checkpoint.
// Outlives the transaction: the level can't change inside one.
class Level {
 public:
  static Result<Level> set(Database& database, Durable durable) {
    if (durable == Durable::kNow) return Level(nullptr);
    SEALIFT_TRY_STATUS(database.execute("PRAGMA synchronous=NORMAL"));
    return Level(&database);
  }
  Level(Level&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Level& operator=(Level&&) = delete;
  ~Level() {
    if (database_ != nullptr) SEALIFT_CHECK(database_->execute("PRAGMA synchronous=FULL").has_value());
  }

 private:
  explicit Level(Database* database) : database_(database) {}
  Database* database_;
};

}  // namespace

Status Store::write(const Write& write, Durable durable) {
  const Level level = SEALIFT_TRY(Level::set(database_, durable));
  auto transaction = SEALIFT_TRY(database_.begin());
  if (write.replace_from) SEALIFT_TRY_STATUS(leave_out(database_, *this, *write.replace_from));
  for (const Block& block : write.blocks) SEALIFT_TRY_STATUS(write_block(database_, block));
  for (const RecordPlace& place : write.changes) {
    Statement insert = SEALIFT_TRY(database_.prepare("INSERT INTO change (height, position) VALUES (?, ?)"));
    SEALIFT_TRY_STATUS(insert.bind(place.height).bind(static_cast<std::uint64_t>(place.index)).run());
  }
  for (const StoredHead& head : write.heads) SEALIFT_TRY_STATUS(write_head(database_, head));
  if (write.voted) {
    Statement vote = SEALIFT_TRY(
        database_.prepare("INSERT OR REPLACE INTO voted (id, term, size, root) VALUES (1, ?, ?, ?)"));
    SEALIFT_TRY_STATUS(
        vote.bind(write.voted->term).bind(write.voted->size).bind(write.voted->root.view()).run());
  }
  if (write.promise) {
    Statement promise =
        SEALIFT_TRY(database_.prepare("INSERT OR REPLACE INTO promise (id, term, server) VALUES (1, ?, ?)"));
    SEALIFT_TRY_STATUS(
        promise.bind(write.promise->term).bind(std::string_view(write.promise->server.text())).run());
  }
  for (const ForkEvidence& fork : write.forks) SEALIFT_TRY_STATUS(write_fork(database_, fork));
  for (const auto& [id, reason] : write.refused) SEALIFT_TRY_STATUS(write_refusal(database_, id, reason));
  return transaction.commit();
}

Status Store::write_state(std::uint64_t height, const State& state, const State* kept) {
  const Level level = SEALIFT_TRY(Level::set(database_, Durable::kWithNext));
  auto transaction = SEALIFT_TRY(database_.begin());
  if (kept == nullptr) SEALIFT_TRY_STATUS(database_.execute("DELETE FROM state"));
  const auto put = [&](std::string_view key, std::string_view value) -> Status {
    Statement insert =
        SEALIFT_TRY(database_.prepare("INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)"));
    return insert.bind(key).bind(value).run();
  };
  // Both are sorted: one walk finds what is new, changed or gone.
  std::size_t old = 0;
  const std::size_t olds = kept == nullptr ? 0 : kept->size();
  const auto drop_before = [&](std::string_view key) -> Status {
    for (; old < olds && (key.empty() || kept->at(old).first < key); ++old) {
      Statement remove = SEALIFT_TRY(database_.prepare("DELETE FROM state WHERE key = ?"));
      SEALIFT_TRY_STATUS(remove.bind(kept->at(old).first).run());
    }
    return {};
  };
  for (std::size_t i = 0; i < state.size(); ++i) {
    const auto [key, value] = state.at(i);
    SEALIFT_TRY_STATUS(drop_before(key));
    const bool was_there = old < olds && kept->at(old).first == key;
    if (!was_there || !state.same_entry(*kept, i, old)) SEALIFT_TRY_STATUS(put(key, value));
    if (was_there) ++old;
  }
  SEALIFT_TRY_STATUS(drop_before({}));
  Statement mark =
      SEALIFT_TRY(database_.prepare("INSERT OR REPLACE INTO state_height (id, height) VALUES (1, ?)"));
  SEALIFT_TRY_STATUS(mark.bind(height).run());
  return transaction.commit();
}

}  // namespace sealift::ledger
