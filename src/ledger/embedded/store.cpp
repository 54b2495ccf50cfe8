#include "ledger/embedded/store.hpp"

#include "ledger/embedded/schema.hpp"

namespace sealift::ledger {

namespace {

Result<std::optional<Bytes>> read_genesis(Database& database) {
  Statement read = SEALIFT_TRY(database.prepare("SELECT bytes FROM genesis WHERE id = 1"));
  const bool found = SEALIFT_TRY(read.step());
  if (!found) return std::optional<Bytes>();
  return std::optional<Bytes>(read.blob(0));
}

// Writes the genesis into a new file; an old one must hold the very same.
Status settle_genesis(Database& database, const Genesis& genesis) {
  const auto there = SEALIFT_TRY(read_genesis(database));
  if (there && *there == genesis.bytes) return {};
  if (there) {
    return fail(Code::kConflict, "the ledger's file belongs to domain {}, not to {}",
                crypto::sha256(*there).hex(), genesis.id().hex());
  }
  auto transaction = SEALIFT_TRY(database.begin());
  Statement insert = SEALIFT_TRY(database.prepare("INSERT INTO genesis (id, bytes) VALUES (1, ?)"));
  SEALIFT_TRY_STATUS(insert.bind(genesis.bytes).run());
  return transaction.commit();
}

Result<crypto::Digest> digest_at(const Statement& row, int column) {
  return crypto::Digest::from_bytes(row.blob(column));
}

std::uint64_t unsigned_at(const Statement& row, int column) {
  return static_cast<std::uint64_t>(row.number(column));
}

Result<StoredHead> read_head(Database& database, const std::string& text) {
  StoredHead stored;
  stored.head = SEALIFT_TRY(parse_log_head(text));
  // The server's note signature (64 bytes) before the cosignatures (72).
  Statement read =
      SEALIFT_TRY(database.prepare("SELECT name, key_id, signature FROM signature WHERE term = ? AND size = "
                                   "? ORDER BY length(signature), name"));
  read.bind(stored.head.term).bind(stored.head.size);
  while (SEALIFT_TRY(read.step())) {
    crypto::NoteSignature signature{read.text(0), {}, read.blob(2)};
    const Bytes key_id = read.blob(1);
    if (key_id.size() != signature.key_id.size()) return fail(Code::kCorrupt, "a stored key id is malformed");
    std::copy(key_id.begin(), key_id.end(), signature.key_id.begin());
    stored.signatures.push_back(std::move(signature));
  }
  return stored;
}

}  // namespace

std::string StoredHead::note() const {
  auto note = encode_signed_head(head, signatures);
  return note ? std::move(*note) : std::string();
}

Result<Store> Store::create(const file::Path& path, const Genesis& genesis) {
  Database database = SEALIFT_TRY(Database::open(path, kSchema, kSchemaVersion));
  SEALIFT_TRY_STATUS(settle_genesis(database, genesis));
  return Store(std::move(database), genesis);
}

Result<Store> Store::create_in_memory(const Genesis& genesis) {
  Database database = SEALIFT_TRY(Database::open_in_memory(kSchema, kSchemaVersion));
  SEALIFT_TRY_STATUS(settle_genesis(database, genesis));
  return Store(std::move(database), genesis);
}

Result<Store> Store::open(const file::Path& path) {
  Database database = SEALIFT_TRY(Database::open(path, kSchema, kSchemaVersion));
  const auto bytes = SEALIFT_TRY(read_genesis(database));
  if (!bytes) return fail(Code::kNotFound, "{} holds no domain: run host init", path.string());
  auto genesis = parse_genesis(*bytes);
  if (!genesis) return fail(Code::kCorrupt, "{}: {}", path.string(), genesis.error().message);
  return Store(std::move(database), std::move(*genesis));
}

Result<std::uint64_t> Store::height() {
  Statement read = SEALIFT_TRY(database_.prepare("SELECT coalesce(max(height), 0) FROM block"));
  SEALIFT_TRY(read.step());
  return unsigned_at(read, 0);
}

Result<Block> Store::block(std::uint64_t height) {
  Statement read = SEALIFT_TRY(database_.prepare("SELECT header FROM block WHERE height = ?"));
  const bool found = SEALIFT_TRY(read.bind(height).step());
  if (!found) return fail(Code::kNotFound, "there is no block {}", height);
  auto header = parse_block_header(read.blob(0));
  if (!header || header->height != height)
    return fail(Code::kCorrupt, "block {} of the ledger's file is damaged or was altered", height);
  Block block{std::move(*header), {}};
  Statement records =
      SEALIFT_TRY(database_.prepare("SELECT envelope FROM record WHERE height = ? ORDER BY position"));
  records.bind(height);
  while (SEALIFT_TRY(records.step())) block.records.push_back(records.blob(0));
  if (records_root(block.records) != block.header.records_root)
    return fail(Code::kCorrupt, "block {} of the ledger's file: its records are damaged or were altered",
                height);
  return block;
}

Result<std::vector<BlockHeader>> Store::headers() {
  Statement read = SEALIFT_TRY(database_.prepare("SELECT height, header FROM block ORDER BY height"));
  std::vector<BlockHeader> headers;
  while (SEALIFT_TRY(read.step())) {
    const std::uint64_t expected = headers.size() + 1;
    auto header = parse_block_header(read.blob(1));
    if (!header || header->height != expected || unsigned_at(read, 0) != expected)
      return fail(Code::kCorrupt, "block {} of the ledger's file is missing, damaged or was altered",
                  expected);
    headers.push_back(*header);
  }
  return headers;
}

Result<std::optional<RecordPlace>> Store::place(const RecordId& id) {
  Statement read = SEALIFT_TRY(database_.prepare("SELECT height, position FROM record WHERE id = ?"));
  const bool found = SEALIFT_TRY(read.bind(id.digest.view()).step());
  if (!found) return std::optional<RecordPlace>();
  return std::optional(RecordPlace{unsigned_at(read, 0), static_cast<std::size_t>(read.number(1))});
}

Result<std::vector<RecordPlace>> Store::changes() {
  Statement read = SEALIFT_TRY(database_.prepare("SELECT height, position FROM change ORDER BY height"));
  std::vector<RecordPlace> places;
  while (SEALIFT_TRY(read.step()))
    places.push_back({unsigned_at(read, 0), static_cast<std::size_t>(read.number(1))});
  return places;
}

Result<std::optional<StoredHead>> Store::newest_head() {
  Statement read =
      SEALIFT_TRY(database_.prepare("SELECT text FROM checkpoint ORDER BY size DESC, term DESC LIMIT 1"));
  const bool found = SEALIFT_TRY(read.step());
  if (!found) return std::optional<StoredHead>();
  return std::optional(SEALIFT_TRY(read_head(database_, read.text(0))));
}

Result<std::vector<StoredHead>> Store::heads(std::uint64_t size_least, std::uint64_t size_most) {
  Statement read = SEALIFT_TRY(
      database_.prepare("SELECT text FROM checkpoint WHERE size >= ? AND size <= ? ORDER BY size, term"));
  read.bind(size_least).bind(size_most);
  std::vector<StoredHead> heads;
  while (SEALIFT_TRY(read.step())) heads.push_back(SEALIFT_TRY(read_head(database_, read.text(0))));
  return heads;
}

Result<std::optional<StoredHead>> Store::head(std::uint64_t term, std::uint64_t size) {
  Statement read = SEALIFT_TRY(database_.prepare("SELECT text FROM checkpoint WHERE term = ? AND size = ?"));
  const bool found = SEALIFT_TRY(read.bind(term).bind(size).step());
  if (!found) return std::optional<StoredHead>();
  return std::optional(SEALIFT_TRY(read_head(database_, read.text(0))));
}

Result<std::optional<Voted>> Store::voted() {
  Statement read = SEALIFT_TRY(database_.prepare("SELECT term, size, root FROM voted WHERE id = 1"));
  const bool found = SEALIFT_TRY(read.step());
  if (!found) return std::optional<Voted>();
  return std::optional(Voted{unsigned_at(read, 0), unsigned_at(read, 1), SEALIFT_TRY(digest_at(read, 2))});
}

Result<Promise> Store::promise() {
  Statement read = SEALIFT_TRY(database_.prepare("SELECT term, server FROM promise WHERE id = 1"));
  const bool found = SEALIFT_TRY(read.step());
  if (!found) return Promise{};
  return Promise{unsigned_at(read, 0), SEALIFT_TRY(HostName::parse(read.text(1)))};
}

Result<bool> Store::any_replaced() {
  Statement read = SEALIFT_TRY(database_.prepare("SELECT 1 FROM replaced LIMIT 1"));
  return read.step();
}

Result<std::optional<std::string>> Store::refusal(const RecordId& id) {
  Statement read = SEALIFT_TRY(database_.prepare("SELECT reason FROM refused WHERE id = ?"));
  const bool found = SEALIFT_TRY(read.bind(id.digest.view()).step());
  if (!found) return std::optional<std::string>();
  return std::optional(read.text(0));
}

Result<std::vector<ForkEvidence>> Store::forks() {
  Statement read =
      SEALIFT_TRY(database_.prepare("SELECT height, text, ours, theirs FROM fork ORDER BY number"));
  std::vector<ForkEvidence> forks;
  while (SEALIFT_TRY(read.step()))
    forks.push_back({unsigned_at(read, 0), read.text(1), read.blob(2), read.blob(3)});
  return forks;
}

Result<std::optional<Store::KeptState>> Store::state() {
  Statement height = SEALIFT_TRY(database_.prepare("SELECT height FROM state_height WHERE id = 1"));
  const bool found = SEALIFT_TRY(height.step());
  if (!found) return std::optional<KeptState>();
  KeptState kept{unsigned_at(height, 0), {}};
  Statement read = SEALIFT_TRY(database_.prepare("SELECT key, value FROM state ORDER BY key"));
  while (SEALIFT_TRY(read.step())) kept.pairs.emplace_back(read.text(0), read.text(1));
  return std::optional(std::move(kept));
}

}  // namespace sealift::ledger
