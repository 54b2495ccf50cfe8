#include "host/inventory.hpp"

namespace sealift::host {

namespace {

constexpr int kSchemaVersion = 1;
constexpr std::string_view kSchema = R"(
CREATE TABLE places(
  key TEXT PRIMARY KEY, vm TEXT NOT NULL, move TEXT NOT NULL, adopted INTEGER NOT NULL, name TEXT NOT NULL,
  definition TEXT NOT NULL, disks TEXT NOT NULL, pid INTEGER, start_ticks INTEGER, note TEXT NOT NULL);
CREATE UNIQUE INDEX places_vm ON places(vm) WHERE adopted = 1;
CREATE UNIQUE INDEX places_name ON places(name) WHERE adopted = 1;
CREATE UNIQUE INDEX places_move ON places(move) WHERE move <> '';
CREATE TABLE quarantine(
  id TEXT PRIMARY KEY, vm TEXT NOT NULL, name TEXT NOT NULL, why TEXT NOT NULL, since_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL, renames TEXT NOT NULL);
CREATE TABLE records(
  made INTEGER PRIMARY KEY AUTOINCREMENT, vm TEXT NOT NULL, number INTEGER NOT NULL, envelope BLOB NOT NULL,
  settled INTEGER NOT NULL, UNIQUE(vm, number));
)";
constexpr std::size_t kJsonMax = 1U << 20;

Result<PlaceRow> read_place(const Statement& row) {
  PlaceRow place;
  place.key = row.text(0);
  place.vm = SEALIFT_TRY(ledger::VmId::parse(row.text(1)));
  place.move = row.text(2);
  place.adopted = row.number(3) != 0;
  const Json definition = SEALIFT_TRY(json::parse(row.text(5), kJsonMax));
  place.definition = SEALIFT_TRY(hypervisor::from_json(definition));
  const Json disks = SEALIFT_TRY(json::parse(row.text(6), kJsonMax));
  if (!disks.is_array()) return fail(Code::kCorrupt, "disks: not a list");
  for (const Json& disk : disks) {
    if (!disk.is_string()) return fail(Code::kCorrupt, "disks: not a list of paths");
    place.disks.emplace_back(disk.get<std::string>());
  }
  if (!row.is_null(7)) {
    place.process = ProcessName{.pid = static_cast<pid_t>(row.number(7)),
                                .start_ticks = static_cast<std::uint64_t>(row.number(8))};
  }
  place.note = row.text(9);
  return place;
}

Result<QuarantineRow> read_quarantine(const Statement& row) {
  QuarantineRow out;
  out.id = row.text(0);
  out.vm = SEALIFT_TRY(ledger::VmId::parse(row.text(1)));
  out.name = row.text(2);
  out.why = row.text(3);
  out.since_ms = row.number(4);
  out.until_ms = row.number(5);
  const Json renames = SEALIFT_TRY(json::parse(row.text(6), kJsonMax));
  for (const Json& rename : renames) {
    const std::string from = SEALIFT_TRY(json::text(rename, "from"));
    const std::string to = SEALIFT_TRY(json::text(rename, "to"));
    out.renames.push_back({from, to});
  }
  return out;
}

Status run(Database& database, std::string_view sql, const auto&... values) {
  Statement statement = SEALIFT_TRY(database.prepare(sql));
  (statement.bind(values), ...);
  return statement.run();
}

}  // namespace

Result<std::unique_ptr<Inventory>> Inventory::open(const file::Path& path) {
  Database database = SEALIFT_TRY(Database::open(path, kSchema, kSchemaVersion));
  return std::unique_ptr<Inventory>(new Inventory(std::move(database)));
}

Result<std::vector<PlaceRow>> Inventory::places() {
  auto database = database_.lock();
  Statement rows = SEALIFT_TRY(
      database->prepare("SELECT key, vm, move, adopted, name, definition, disks, pid, start_ticks, note FROM "
                        "places ORDER BY name, key"));
  std::vector<PlaceRow> places;
  while (SEALIFT_TRY(rows.step())) {
    auto place = read_place(rows);
    if (!place) return because(place.error(), fmt::format("journal.db, place {}", rows.text(0)));
    places.push_back(std::move(*place));
  }
  return places;
}

Status Inventory::insert(const PlaceRow& place) {
  Json disks = Json::array();
  for (const file::Path& disk : place.disks) disks.push_back(disk.string());
  auto database = database_.lock();
  return run(
      *database,
      "INSERT INTO places(key, vm, move, adopted, name, definition, disks, note) VALUES(?,?,?,?,?,?,?,?)",
      std::string_view(place.key), std::string_view(place.vm.text()), std::string_view(place.move),
      std::int64_t{place.adopted ? 1 : 0}, std::string_view(place.definition.name),
      std::string_view(json::dump(hypervisor::to_json(place.definition))),
      std::string_view(json::dump(disks)), std::string_view(place.note));
}

Status Inventory::set_process(const std::string& key, const std::optional<ProcessName>& process) {
  auto database = database_.lock();
  if (!process)
    return run(*database, "UPDATE places SET pid=NULL, start_ticks=NULL WHERE key=?", std::string_view(key));
  return run(*database, "UPDATE places SET pid=?, start_ticks=? WHERE key=?", std::int64_t{process->pid},
             process->start_ticks, std::string_view(key));
}

Status Inventory::set_note(const std::string& key, const std::string& note) {
  auto database = database_.lock();
  return run(*database, "UPDATE places SET note=? WHERE key=?", std::string_view(note),
             std::string_view(key));
}

Status Inventory::set_adopted(const std::string& key) {
  auto database = database_.lock();
  return run(*database, "UPDATE places SET adopted=1 WHERE key=?", std::string_view(key));
}

Status Inventory::remove(const std::string& key) {
  auto database = database_.lock();
  return run(*database, "DELETE FROM places WHERE key=?", std::string_view(key));
}

Result<std::vector<QuarantineRow>> Inventory::quarantine() {
  auto database = database_.lock();
  Statement rows = SEALIFT_TRY(database->prepare(
      "SELECT id, vm, name, why, since_ms, until_ms, renames FROM quarantine ORDER BY since_ms"));
  std::vector<QuarantineRow> out;
  while (SEALIFT_TRY(rows.step())) out.push_back(SEALIFT_TRY(read_quarantine(rows)));
  return out;
}

Status Inventory::move_to_quarantine(const std::string& key, const QuarantineRow& row) {
  Json renames = Json::array();
  for (const auto& [from, to] : row.renames)
    renames.push_back({{"from", from.string()}, {"to", to.string()}});
  auto database = database_.lock();
  auto transaction = SEALIFT_TRY(database->begin());
  SEALIFT_TRY_STATUS(run(*database, "INSERT INTO quarantine VALUES(?,?,?,?,?,?,?)", std::string_view(row.id),
                         std::string_view(row.vm.text()), std::string_view(row.name),
                         std::string_view(row.why), row.since_ms, row.until_ms,
                         std::string_view(json::dump(renames))));
  SEALIFT_TRY_STATUS(run(*database, "DELETE FROM places WHERE key=?", std::string_view(key)));
  return transaction.commit();
}

Status Inventory::remove_quarantine(const std::string& id) {
  auto database = database_.lock();
  return run(*database, "DELETE FROM quarantine WHERE id=?", std::string_view(id));
}

Status Inventory::insert_record(const RecordRow& record) {
  auto database = database_.lock();
  return run(*database, "INSERT INTO records(vm, number, envelope, settled) VALUES(?,?,?,0)",
             std::string_view(record.vm.text()), record.number, ByteView(record.envelope));
}

Result<std::vector<RecordRow>> Inventory::unsettled_records() {
  auto database = database_.lock();
  Statement rows = SEALIFT_TRY(
      database->prepare("SELECT vm, number, envelope FROM records WHERE settled=0 ORDER BY made"));
  std::vector<RecordRow> out;
  while (SEALIFT_TRY(rows.step())) {
    RecordRow record;
    record.vm = SEALIFT_TRY(ledger::VmId::parse(rows.text(0)));
    record.number = static_cast<std::uint64_t>(rows.number(1));
    record.envelope = rows.blob(2);
    out.push_back(std::move(record));
  }
  return out;
}

Status Inventory::settle_record(const ledger::VmId& vm, std::uint64_t number) {
  auto database = database_.lock();
  return run(*database, "UPDATE records SET settled=1 WHERE vm=? AND number=?", std::string_view(vm.text()),
             number);
}

Result<Inventory::Numbers> Inventory::numbers(const ledger::VmId& vm) {
  auto database = database_.lock();
  Statement row = SEALIFT_TRY(
      database->prepare("SELECT COALESCE(MAX(number),0), COALESCE(MIN(settled),1) FROM records WHERE vm=?"));
  row.bind(std::string_view(vm.text()));
  SEALIFT_TRY(row.step());
  return Numbers{.highest = static_cast<std::uint64_t>(row.number(0)), .settled = row.number(1) != 0};
}

}  // namespace sealift::host
