#pragma once

// Host's inside, shared by its .cpp files: host.cpp, watch.cpp (processes), life.cpp (start, stop),
// create.cpp, rest.cpp, rest_tracking.cpp (at rest), incoming.cpp, quarantine.cpp.

#include <atomic>
#include <functional>
#include <map>
#include <thread>

#include "base/guarded.hpp"
#include "host/host.hpp"
#include "host/inventory.hpp"
#include "hypervisor/qemu/machine.hpp"

namespace sealift::host {

// In the directory of a VM that left, beside its side files: its definition as JSON
// (hypervisor/definition.hpp).
constexpr const char* kDefinitionFile = "definition.json";

// The copy is durable, and ours alone to read. kNotFound, kExhausted.
Status copy_durably(const file::Path& from, const file::Path& to);

// In its pool's directory of the VM.
std::string disk_file_name(const hypervisor::DiskDefinition& disk);

// A place in memory: its row and what is not durable.
struct Place {
  PlaceRow row;
  std::shared_ptr<hypervisor::Machine> machine;
  std::string held_by;   // move
  bool foreign = false;  // fence(): the ledger gave the VM to another host
  std::string busy;      // what goes on ("starting"); empty: nothing
  VmState busy_state = VmState::kOff;
  std::uint32_t progress_percent = 0;
};

// Leaf tables beside the definition: those of the last rest; while it is checked, the new ones beside them.
constexpr std::string_view kKeptTables = ".leaves";
constexpr std::string_view kFreshTables = ".leaves.now";

// Per disk, in order: the leaves that a guest wrote while it ran, ascending.
using ChangedLeaves = std::vector<std::vector<std::uint64_t>>;

struct Host::Impl {
  HostOptions options;
  std::optional<std::pair<uid_t, gid_t>> guest;
  std::unique_ptr<Inventory> inventory;
  Guarded<std::map<std::string, Place>> places;  // by key
  StopSource stopping;
  std::atomic<bool> begun{false};
  std::jthread watcher;

  // watch.cpp
  Status find_processes();
  void find_process(const std::string& key);
  void watch(const Stop& stop);
  void watch_once();
  void end_if_powered_off(const PlaceRow& row, hypervisor::Machine& machine);

  // host.cpp
  Status make_directories();
  file::Path directory_of(const std::string& key) const;
  file::Path run_directory_of(const std::string& key) const;
  Result<hypervisor::Placement> placement_of(const PlaceRow& row) const;
  VmView view_of(const Place& place) const;
  Result<std::string> key_of(const std::string& name_or_id);   // of a VM; kNotFound
  Result<std::string> key_of_vm(const ledger::VmId& vm);       // kNotFound
  Result<std::string> key_of_move(const std::string& move);    // adopted or not; kNotFound
  Result<UniqueFd> lock_place(const std::string& key) const;   // kConflict names the process
  void note(const std::string& key, const std::string& text);  // journaled

  // While one lives, nobody else works on the place.
  class Busy {
   public:
    Busy(Impl* impl, std::string key) : impl_(impl), key_(std::move(key)) {}
    Busy(Busy&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)), key_(std::move(other.key_)) {}
    Busy& operator=(Busy&&) = delete;
    ~Busy();

   private:
    Impl* impl_;
    std::string key_;
  };
  enum class Holder { kNobody, kAnybody };  // who may hold it
  Result<Busy> begin(const std::string& key, const std::string& what, VmState state, Holder holder);
  PlaceRow row_of(const std::string& key);
  std::shared_ptr<hypervisor::Machine> machine_of(const std::string& key);

  // life.cpp
  Result<std::shared_ptr<hypervisor::Machine>> launch(const std::string& key, hypervisor::StartMode mode,
                                                      Deadline deadline);
  Result<std::string> start(const std::string& key, const StartOptions& options, Deadline deadline,
                            const Stop& stop);
  Status prove(const PlaceRow& row, const StartOptions& options, Deadline deadline, const Stop& stop);
  Status stop(const std::string& key, Deadline deadline, const Stop& stop);
  // The process has ended: forgotten durably, disks at rest recorded. The caller is Busy.
  void after_exit(const std::string& key, const Stop& stop,
                  const std::optional<ChangedLeaves>& changed = std::nullopt);

  // rest.cpp
  Result<crypto::Digest> disks_root(const PlaceRow& row, std::string_view tables, const Stop& stop);
  Result<crypto::Digest> changed_root(const PlaceRow& row, const ChangedLeaves& changed, const Stop& stop);
  Result<std::string> describe_difference(const PlaceRow& row);
  Status keep_tables(const PlaceRow& row);
  void show_progress(const PlaceRow& row, std::size_t disk, std::uint64_t done, std::uint64_t all);
  // The rest root that the disks match, none without one; kCorrupt: they differ.
  Result<std::optional<crypto::Digest>> check_rest(const PlaceRow& row, const StartOptions& options,
                                                   const Stop& stop);
  void record_rest(const std::string& key, const std::optional<ChangedLeaves>& changed, const Stop& stop);

  // rest_tracking.cpp
  void track_writes(const PlaceRow& row, hypervisor::Machine& machine);
  bool powered_off(const PlaceRow& row,
                   hypervisor::Machine& machine);  // its guest, and the process waits for us
  // Reads what the guest changed, ends the process in good order; nothing: that is not known.
  std::optional<ChangedLeaves> end_powered_off(const PlaceRow& row, hypervisor::Machine& machine,
                                               const Stop& stop);
  Status wait_off(const std::string& key, hypervisor::Machine& machine, Deadline deadline, const Stop& stop,
                  std::optional<ChangedLeaves>* changed);

  // create.cpp
  Status check_runnable(const PlaceRow& row) const;  // kUnsupported: what this host or its QEMU lacks
  Status make_place(PlaceRow* row, const hypervisor::VmSources& sources, Deadline deadline, const Stop& stop);
  void erase_files(const PlaceRow& row);
  file::Path pool_directory(const std::string& pool, const std::string& key) const;
  Status make_pool_directory(const std::string& pool, const std::string& key) const;

  // recovery.cpp
  Result<CopySource> copy_in_quarantine(const QuarantineRow& entry);
  Result<CopySource> copy_in_directory(const file::Path& path);
  std::optional<PreparedCopy> prepared(const PlaceRow& row) const;
  void sweep_recoveries();

  // quarantine.cpp
  // Until when it is kept.
  Result<WallTime> to_quarantine(const std::string& key, const std::string& entry, const std::string& why);
  Status finish_renames(const QuarantineRow& row);
};

}  // namespace sealift::host
