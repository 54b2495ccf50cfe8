#include "domain/desk.hpp"

namespace sealift::domain {
namespace {

constexpr int kSchemaVersion = 1;
constexpr std::string_view kSchema = R"sql(
CREATE TABLE invitation(id TEXT PRIMARY KEY, secret BLOB NOT NULL, expires_ms INTEGER NOT NULL, used_by BLOB) STRICT;
CREATE TABLE proposal(id TEXT PRIMARY KEY, envelope BLOB NOT NULL, submitted INTEGER NOT NULL) STRICT;
CREATE TABLE fact(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
)sql";

std::int64_t millis(WallTime time) {
  return time.time_since_epoch().count();
}

}  // namespace

Result<std::unique_ptr<Desk>> Desk::open(const file::Path& path) {
  return std::unique_ptr<Desk>(new Desk(SEALIFT_TRY(Database::open(path, kSchema, kSchemaVersion))));
}

Result<std::unique_ptr<Desk>> Desk::open_in_memory() {
  return std::unique_ptr<Desk>(new Desk(SEALIFT_TRY(Database::open_in_memory(kSchema, kSchemaVersion))));
}

Status Desk::add_ticket(const Ticket& ticket, WallTime now) {
  auto database = database_.lock();
  Statement drop = SEALIFT_TRY(database->prepare("DELETE FROM invitation WHERE expires_ms < ?"));
  SEALIFT_TRY_STATUS(drop.bind(millis(now)).run());
  Statement count = SEALIFT_TRY(database->prepare("SELECT count(*) FROM invitation"));
  SEALIFT_TRY(count.step());
  if (count.number(0) >= static_cast<std::int64_t>(kInvitationsMax)) {
    return fail(Code::kExhausted, "{} invitations are outstanding: wait until some expire", kInvitationsMax);
  }
  Statement add =
      SEALIFT_TRY(database->prepare("INSERT INTO invitation(id, secret, expires_ms) VALUES(?, ?, ?)"));
  return add.bind(std::string_view{ticket.id})
      .bind(ticket.secret.reveal())
      .bind(millis(ticket.expires))
      .run();
}

Result<std::optional<Desk::Ticket>> Desk::ticket(std::string_view id) {
  auto database = database_.lock();
  Statement find =
      SEALIFT_TRY(database->prepare("SELECT secret, expires_ms, used_by FROM invitation WHERE id = ?"));
  find.bind(id);
  if (!SEALIFT_TRY(find.step())) return std::nullopt;
  Ticket ticket;
  ticket.id = id;
  Bytes secret = find.blob(0);
  ticket.secret = crypto::Secret(secret);
  crypto::wipe(secret);
  ticket.expires = WallTime{std::chrono::milliseconds{find.number(1)}};
  if (!find.is_null(2)) ticket.used_by = SEALIFT_TRY(crypto::PublicKey::from_bytes(find.blob(2)));
  return ticket;
}

Status Desk::use_ticket(std::string_view id, const crypto::PublicKey& by) {
  auto database = database_.lock();
  Statement use =
      SEALIFT_TRY(database->prepare("UPDATE invitation SET used_by = ? WHERE id = ? AND used_by IS NULL"));
  return use.bind(by.view()).bind(id).run();
}

Result<bool> Desk::any_ticket(WallTime now) {
  auto database = database_.lock();
  Statement find = SEALIFT_TRY(database->prepare("SELECT 1 FROM invitation WHERE expires_ms >= ? LIMIT 1"));
  find.bind(millis(now));
  return find.step();
}

Result<std::vector<ProposalEntry>> Desk::proposals() {
  auto database = database_.lock();
  Statement find = SEALIFT_TRY(database->prepare("SELECT envelope, submitted FROM proposal ORDER BY rowid"));
  std::vector<ProposalEntry> entries;
  while (SEALIFT_TRY(find.step())) entries.push_back({find.blob(0), find.number(1) != 0});
  return entries;
}

Status Desk::put_proposal(const crypto::Digest& id, const ProposalEntry& entry) {
  auto database = database_.lock();
  Statement put =
      SEALIFT_TRY(database->prepare("INSERT INTO proposal(id, envelope, submitted) VALUES(?, ?, ?) "
                                    "ON CONFLICT(id) DO UPDATE SET envelope = excluded.envelope, "
                                    "submitted = excluded.submitted"));
  const std::string key = id.hex();
  return put.bind(std::string_view{key})
      .bind(ByteView{entry.envelope})
      .bind(std::int64_t{entry.submitted})
      .run();
}

Status Desk::drop_proposal(const crypto::Digest& id) {
  auto database = database_.lock();
  Statement drop = SEALIFT_TRY(database->prepare("DELETE FROM proposal WHERE id = ?"));
  const std::string key = id.hex();
  return drop.bind(std::string_view{key}).run();
}

Status Desk::put_fact(std::string_view name, std::string_view value) {
  auto database = database_.lock();
  Statement put = SEALIFT_TRY(database->prepare("INSERT OR REPLACE INTO fact(name, value) VALUES(?, ?)"));
  return put.bind(name).bind(value).run();
}

Result<std::optional<std::string>> Desk::fact(std::string_view name) {
  auto database = database_.lock();
  Statement find = SEALIFT_TRY(database->prepare("SELECT value FROM fact WHERE name = ?"));
  find.bind(name);
  if (!SEALIFT_TRY(find.step())) return std::nullopt;
  return find.text(0);
}

}  // namespace sealift::domain
