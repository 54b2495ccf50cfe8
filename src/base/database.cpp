#include "base/database.hpp"

#include <sqlite3.h>

#include <utility>

#include "base/check.hpp"

namespace sealift {

namespace {

std::unexpected<Error> fail_sqlite(sqlite3* handle, int code, std::string_view doing) {
  const char* message = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_FULL: return fail(Code::kExhausted, "{}: {}", doing, message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return fail(Code::kCorrupt, "{}: {}", doing, message);
    case SQLITE_CONSTRAINT: return fail(Code::kConflict, "{}: {}", doing, message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return fail(Code::kConflict, "{}: {}", doing, message);
    default: return fail(Code::kIo, "{}: {}", doing, message);
  }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Statement& Statement::bind(std::int64_t value) {
  SEALIFT_CHECK(sqlite3_bind_int64(statement_.get(), next_++, value) == SQLITE_OK);
  return *this;
}
Statement& Statement::bind(std::uint64_t value) {
  SEALIFT_CHECK(std::in_range<std::int64_t>(value));
  return bind(static_cast<std::int64_t>(value));
}
Statement& Statement::bind(std::string_view text) {
  // The (-1) cast is SQLITE_TRANSIENT: SQLite copies the bytes.
  SEALIFT_CHECK(sqlite3_bind_text64(statement_.get(), next_++, text.data() == nullptr ? "" : text.data(),
                                    text.size(), reinterpret_cast<sqlite3_destructor_type>(-1),
                                    SQLITE_UTF8) == SQLITE_OK);
  return *this;
}
Statement& Statement::bind(ByteView blob) {
  static constexpr std::uint8_t kNothing = 0;
  SEALIFT_CHECK(sqlite3_bind_blob64(statement_.get(), next_++,
                                    blob.data() == nullptr ? &kNothing : blob.data(), blob.size(),
                                    reinterpret_cast<sqlite3_destructor_type>(-1)) == SQLITE_OK);
  return *this;
}
Statement& Statement::bind_null() {
  SEALIFT_CHECK(sqlite3_bind_null(statement_.get(), next_++) == SQLITE_OK);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return fail_sqlite(sqlite3_db_handle(statement_.get()), code, "database");
}

Status Statement::run() {
  const bool row = SEALIFT_TRY(step());
  SEALIFT_CHECK(!row);
  return {};
}

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}
std::string Statement::text(int column) const {
  const unsigned char* data = sqlite3_column_text(statement_.get(), column);
  const auto bytes = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return data == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(data), bytes);
}
Bytes Statement::blob(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_.get(), column));
  const int bytes = sqlite3_column_bytes(statement_.get(), column);
  return data == nullptr ? Bytes() : Bytes(data, data + bytes);
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Database::Close::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}

Result<Database> Database::open(const file::Path& path, std::string_view schema, int schema_version) {
  auto database = open_named(path.string(), schema, schema_version);
  if (!database) return because(database.error(), path.string());
  return database;
}

Result<Database> Database::open_in_memory(std::string_view schema, int schema_version) {
  return open_named(":memory:", schema, schema_version);
}

Result<Database> Database::open_named(const std::string& name, std::string_view schema, int schema_version) {
  sqlite3* handle = nullptr;
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(name.c_str(), &handle, flags, nullptr);
  Database database(handle);
  if (code != SQLITE_OK) return fail_sqlite(handle, code, "open database");
  sqlite3_busy_timeout(handle, 2000);
  SEALIFT_TRY_STATUS(database.execute("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"));
  {
    Statement mode = SEALIFT_TRY(database.prepare("PRAGMA journal_mode=WAL"));
    SEALIFT_TRY(mode.step());
  }
  std::int64_t version = 0;
  {
    Statement read = SEALIFT_TRY(database.prepare("PRAGMA user_version"));
    SEALIFT_TRY(read.step());
    version = read.number(0);
  }
  if (version == schema_version) return database;
  if (version != 0) {
    return fail(Code::kUnsupported,
                "database schema is version {}, this sealift knows version {}: use the sealift that wrote it",
                version, schema_version);
  }
  Transaction transaction = SEALIFT_TRY(database.begin());
  SEALIFT_TRY_STATUS(database.execute(schema));
  SEALIFT_TRY_STATUS(database.execute(fmt::format("PRAGMA user_version={}", schema_version)));
  SEALIFT_TRY_STATUS(transaction.commit());
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return fail_sqlite(handle_.get(), code, fmt::format("prepare \"{}\"", sql));
  return Statement(statement);
}

Status Database::execute(std::string_view sql) {
  const int code = sqlite3_exec(handle_.get(), std::string(sql).c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail_sqlite(handle_.get(), code, "database");
  return {};
}

Result<Database::Transaction> Database::begin() {
  SEALIFT_TRY_STATUS(execute("BEGIN IMMEDIATE"));
  return Transaction(this);
}

Database::Transaction::~Transaction() {
  if (database_ != nullptr) static_cast<void>(database_->execute("ROLLBACK"));
}

Status Database::Transaction::commit() {
  SEALIFT_TRY_STATUS(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace sealift
