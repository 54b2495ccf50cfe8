#pragma once

// SQLite, opened the one way that durability asks for: WAL, synchronous=FULL, foreign keys, a schema version
// that is checked. Used by the ledger's store and by the host's journal. A Database is used by one thread at
// a time: put it in a Guarded<>. "Durable" = the Transaction's commit() has returned.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace sealift {

// One prepared statement; bind in order, step over rows. Parameters and columns count from 0.
class Statement {
 public:
  Statement& bind(std::int64_t value);
  Statement& bind(std::uint64_t value);  // at most 2^63-1
  Statement& bind(std::string_view text);
  Statement& bind(ByteView blob);
  Statement& bind_null();
  Result<bool> step();  // true: a row is there; false: done
  Status run();         // for statements without rows
  std::int64_t number(int column) const;
  std::string text(int column) const;
  Bytes blob(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int next_ = 1;
};

class Database {
 public:
  // Creates it with `schema` (SQL) when new; otherwise its user_version must equal schema_version
  // (kUnsupported).
  static Result<Database> open(const file::Path& path, std::string_view schema, int schema_version);
  static Result<Database> open_in_memory(std::string_view schema, int schema_version);

  Result<Statement> prepare(std::string_view sql);
  Status execute(std::string_view sql);  // one or several statements without parameters or rows

  // Rolls back unless committed.
  class Transaction {
   public:
    Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();
    Status commit();

   private:
    friend class Database;
    explicit Transaction(Database* database) : database_(database) {}
    Database* database_;
  };
  Result<Transaction> begin();

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  explicit Database(sqlite3* handle) : handle_(handle) {}
  static Result<Database> open_named(const std::string& name, std::string_view schema, int schema_version);
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace sealift
