#pragma once

// journal.db: what this host durably knows. One table of places: a place is a VM's directory, disks and
// process; it is a VM of this host once it is adopted, before that it comes in by a move. Private to host.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/database.hpp"
#include "base/guarded.hpp"
#include "base/process.hpp"
#include "hypervisor/definition.hpp"
#include "ledger/ids.hpp"

namespace sealift::host {

struct PlaceRow {
  std::string key;  // "<vm id>" or "<vm id>.<first 12 digits of the move>": also its directories' name
  ledger::VmId vm;
  std::string move;  // hex; empty for a VM that was created here; "recover-<vm id>" for a recovered one
  bool adopted = false;
  hypervisor::VmDefinition definition;
  std::vector<file::Path> disks;
  std::optional<ProcessName> process;
  std::string note;
  bool recovery() const { return move.starts_with("recover-"); }
};

struct QuarantineRow {
  struct Rename {
    file::Path from;
    file::Path to;
  };
  std::string id;
  ledger::VmId vm;
  std::string name;
  std::string why;
  std::int64_t since_ms = 0;
  std::int64_t until_ms = 0;
  std::vector<Rename> renames;  // done or to be done: `from` is there or not
};

// Records of this host's VMs on their way to the ledger (ledger_records.hpp).
struct RecordRow {
  ledger::VmId vm;
  std::uint64_t number = 0;
  Bytes envelope;
};

class Inventory {
 public:
  static Result<std::unique_ptr<Inventory>> open(const file::Path& path);

  Result<std::vector<PlaceRow>> places();
  Status insert(const PlaceRow& place);  // kConflict: a name or VM twice
  Status set_process(const std::string& key, const std::optional<ProcessName>& process);
  Status set_note(const std::string& key, const std::string& note);
  Status set_adopted(const std::string& key);
  Status remove(const std::string& key);

  Result<std::vector<QuarantineRow>> quarantine();
  Status move_to_quarantine(const std::string& key, const QuarantineRow& row);  // one transaction
  Status remove_quarantine(const std::string& id);

  Status insert_record(const RecordRow& record);
  Result<std::vector<RecordRow>> unsettled_records();  // in the order of their making
  Status settle_record(const ledger::VmId& vm, std::uint64_t number);
  struct Numbers {
    std::uint64_t highest = 0;
    bool settled = true;
  };
  Result<Numbers> numbers(const ledger::VmId& vm);

 private:
  explicit Inventory(Database database) : database_(std::move(database)) {}
  Guarded<Database> database_;
};

}  // namespace sealift::host
