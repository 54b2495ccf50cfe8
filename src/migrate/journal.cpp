#include "migrate/journal.hpp"

namespace sealift::migrate {

namespace {

constexpr std::string_view kSchema = R"sql(
CREATE TABLE move (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, role INTEGER NOT NULL, vm TEXT NOT NULL,
  agreed TEXT NOT NULL, offer BLOB NOT NULL, state BLOB NOT NULL, ended INTEGER NOT NULL, shown TEXT NOT NULL,
  began_ms INTEGER NOT NULL);
CREATE UNIQUE INDEX one_at_a_time ON move (vm) WHERE ended = 0;
CREATE TABLE outbox (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, move BLOB NOT NULL, vm TEXT NOT NULL, kind INTEGER NOT NULL,
  number INTEGER NOT NULL, envelope BLOB NOT NULL, status INTEGER NOT NULL, reason TEXT NOT NULL,
  UNIQUE (move, kind));
CREATE INDEX outbox_pending ON outbox (vm, sequence) WHERE status = 0;
)sql";

constexpr std::string_view kMoveColumns = "id, role, vm, agreed, offer, state, ended, shown, began_ms";
constexpr std::string_view kOutboxColumns = "sequence, move, vm, kind, number, envelope, status, reason";

Result<MoveRow> read_move(const Statement& row) {
  MoveRow move;
  move.id = {SEALIFT_TRY(crypto::Digest::from_bytes(row.blob(0)))};
  move.role = row.number(1) == 0 ? MoveRole::kSource : MoveRole::kDestination;
  move.vm = SEALIFT_TRY(ledger::VmId::parse(row.text(2)));
  move.agreed = row.text(3);
  move.offer = row.blob(4);
  move.state = row.blob(5);
  move.ended = row.number(6) != 0;
  move.shown = row.text(7);
  move.began_ms = static_cast<std::uint64_t>(row.number(8));
  return move;
}

Result<OutboxRow> read_outbox(const Statement& row) {
  OutboxRow out;
  out.sequence = row.number(0);
  out.move = {SEALIFT_TRY(crypto::Digest::from_bytes(row.blob(1)))};
  out.vm = SEALIFT_TRY(ledger::VmId::parse(row.text(2)));
  out.kind = static_cast<custody::RecordKind>(row.number(3));
  out.number = static_cast<std::uint64_t>(row.number(4));
  out.envelope = row.blob(5);
  out.status = static_cast<OutboxStatus>(row.number(6));
  out.reason = row.text(7);
  return out;
}

std::int64_t code(auto value) {
  return static_cast<std::int64_t>(value);
}

}  // namespace

Result<std::unique_ptr<MoveJournal>> MoveJournal::open(const file::Path& path) {
  auto database = Database::open(path, kSchema, kSchemaVersion);
  if (!database) return because(database.error(), "opening the moves' journal");
  return std::unique_ptr<MoveJournal>(new MoveJournal(std::move(*database)));
}

Status MoveJournal::add(const MoveRow& row) {
  auto database = database_.lock();
  auto open = SEALIFT_TRY(database->prepare("SELECT id FROM move WHERE vm = ? AND ended = 0"));
  open.bind(std::string_view(row.vm.text()));
  if (SEALIFT_TRY(open.step()))
    return fail(Code::kConflict, "VM {} is in the unfinished move {}: one at a time", row.vm.text(),
                hex(open.blob(0)));
  auto insert = SEALIFT_TRY(database->prepare(
      fmt::format("INSERT INTO move ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", kMoveColumns)));
  insert.bind(row.id.digest.view()).bind(code(row.role)).bind(std::string_view(row.vm.text()));
  insert.bind(std::string_view(row.agreed)).bind(ByteView(row.offer)).bind(ByteView(row.state));
  insert.bind(code(row.ended)).bind(std::string_view(row.shown)).bind(row.began_ms);
  return insert.run();
}

Status MoveJournal::set_state(const ledger::MoveId& move, ByteView state, bool ended) {
  auto database = database_.lock();
  auto update = SEALIFT_TRY(database->prepare("UPDATE move SET state = ?, ended = ? WHERE id = ?"));
  return update.bind(state).bind(code(ended)).bind(move.digest.view()).run();
}

Status MoveJournal::set_shown(const ledger::MoveId& move, const std::string& json) {
  auto database = database_.lock();
  auto update = SEALIFT_TRY(database->prepare("UPDATE move SET shown = ? WHERE id = ?"));
  return update.bind(std::string_view(json)).bind(move.digest.view()).run();
}

Result<std::optional<MoveRow>> MoveJournal::find(const ledger::MoveId& move) {
  auto database = database_.lock();
  auto select = SEALIFT_TRY(database->prepare(fmt::format("SELECT {} FROM move WHERE id = ?", kMoveColumns)));
  select.bind(move.digest.view());
  if (!SEALIFT_TRY(select.step())) return std::nullopt;
  return SEALIFT_TRY(read_move(select));
}

Result<std::vector<MoveRow>> MoveJournal::all() {
  auto database = database_.lock();
  auto select =
      SEALIFT_TRY(database->prepare(fmt::format("SELECT {} FROM move ORDER BY sequence", kMoveColumns)));
  std::vector<MoveRow> rows;
  while (SEALIFT_TRY(select.step())) rows.push_back(SEALIFT_TRY(read_move(select)));
  return rows;
}

Result<std::optional<ledger::MoveId>> MoveJournal::unfinished(const ledger::VmId& vm) {
  auto database = database_.lock();
  auto select = SEALIFT_TRY(database->prepare("SELECT id FROM move WHERE vm = ? AND ended = 0"));
  select.bind(std::string_view(vm.text()));
  if (!SEALIFT_TRY(select.step())) return std::nullopt;
  return ledger::MoveId{SEALIFT_TRY(crypto::Digest::from_bytes(select.blob(0)))};
}

Result<std::optional<OutboxRow>> MoveJournal::record(const ledger::MoveId& move, custody::RecordKind kind) {
  auto database = database_.lock();
  auto find = SEALIFT_TRY(
      database->prepare(fmt::format("SELECT {} FROM outbox WHERE move = ? AND kind = ?", kOutboxColumns)));
  find.bind(move.digest.view()).bind(code(kind));
  if (!SEALIFT_TRY(find.step())) return std::nullopt;
  return SEALIFT_TRY(read_outbox(find));
}

Result<OutboxRow> MoveJournal::put(const OutboxRow& row) {
  {
    auto database = database_.lock();
    auto insert = SEALIFT_TRY(database->prepare(
        "INSERT INTO outbox (move, vm, kind, number, envelope, status, reason) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (move, kind) DO NOTHING"));
    insert.bind(row.move.digest.view())
        .bind(std::string_view(row.vm.text()))
        .bind(code(row.kind))
        .bind(row.number);
    insert.bind(ByteView(row.envelope)).bind(code(row.status)).bind(std::string_view(row.reason));
    SEALIFT_TRY_STATUS(insert.run());
  }
  auto kept = SEALIFT_TRY(record(row.move, row.kind));
  if (!kept) return fail(Code::kInternal, "a record vanished from the moves' journal");
  return *kept;
}

Status MoveJournal::renumber(std::int64_t sequence, std::uint64_t number, ByteView envelope) {
  auto database = database_.lock();
  auto update =
      SEALIFT_TRY(database->prepare("UPDATE outbox SET number = ?, envelope = ? WHERE sequence = ?"));
  return update.bind(number).bind(envelope).bind(sequence).run();
}

Status MoveJournal::settle(std::int64_t sequence, OutboxStatus status, const std::string& reason) {
  auto database = database_.lock();
  auto update = SEALIFT_TRY(database->prepare("UPDATE outbox SET status = ?, reason = ? WHERE sequence = ?"));
  return update.bind(code(status)).bind(std::string_view(reason)).bind(sequence).run();
}

Result<std::optional<OutboxRow>> MoveJournal::next_pending(const ledger::VmId& vm) {
  auto database = database_.lock();
  auto select = SEALIFT_TRY(database->prepare(fmt::format(
      "SELECT {} FROM outbox WHERE vm = ? AND status = 0 ORDER BY sequence LIMIT 1", kOutboxColumns)));
  select.bind(std::string_view(vm.text()));
  if (!SEALIFT_TRY(select.step())) return std::nullopt;
  return SEALIFT_TRY(read_outbox(select));
}

Result<std::vector<ledger::VmId>> MoveJournal::vms_with_pending() {
  auto database = database_.lock();
  auto select = SEALIFT_TRY(database->prepare("SELECT DISTINCT vm FROM outbox WHERE status = 0"));
  std::vector<ledger::VmId> vms;
  while (SEALIFT_TRY(select.step())) vms.push_back(SEALIFT_TRY(ledger::VmId::parse(select.text(0))));
  return vms;
}

Result<std::uint64_t> MoveJournal::highest_number(const ledger::VmId& vm) {
  auto database = database_.lock();
  auto select = SEALIFT_TRY(database->prepare("SELECT COALESCE(MAX(number), 0) FROM outbox WHERE vm = ?"));
  select.bind(std::string_view(vm.text()));
  if (!SEALIFT_TRY(select.step())) return 0U;
  return static_cast<std::uint64_t>(select.number(0));
}

}  // namespace sealift::migrate
