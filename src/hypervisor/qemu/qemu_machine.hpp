#pragma once

// One QEMU process as a Machine. Private to qemu/: others see hypervisor.hpp. Life is in qemu_machine.cpp,
// disks in qemu_disks.cpp, migration in qemu_migration.cpp.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "hypervisor/hypervisor.hpp"
#include "hypervisor/qemu/qmp.hpp"

namespace sealift::hypervisor::qemu {

using GuestUser = std::optional<std::pair<uid_t, gid_t>>;

file::Path monitor_socket(const file::Path& run_directory);
file::Path serial_socket(const file::Path& run_directory);

class QemuMachine final : public Machine {
 public:
  // Without a client: the process is frozen; thaw() connects.
  QemuMachine(const VmDefinition& definition, file::Path run_directory, ProcessName process, GuestUser user,
              std::shared_ptr<QmpClient> client);

  ProcessName process() const override { return process_; }
  ProcessState process_state() const override { return process::state(process_); }
  file::Path run_directory() const override { return run_directory_; }
  file::Path console_socket() const override { return serial_socket(run_directory_); }

  Result<MachineStatus> status(Deadline deadline) override;
  Status stop(Deadline deadline) override;
  Status cont(Deadline deadline) override;
  Status quit(Deadline deadline) override;
  Status powerdown(Deadline deadline) override;
  Status announce(Deadline deadline) override;
  Status kill(Deadline deadline) override;
  Result<std::optional<ExitStatus>> wait_gone(Deadline deadline, const Stop& stop) override;
  Status freeze(Deadline deadline) override;
  Status thaw(Deadline deadline) override;
  std::uint64_t event_position() const override;
  Result<Event> next_event(std::uint64_t& position, Deadline deadline, const Stop& stop) override;

  Result<WriteRates> measure_writes(Milliseconds period, Deadline deadline, const Stop& stop) override;
  Status keep_at_shutdown(Deadline deadline) override;
  Status add_bitmap(const std::string& bitmap, Deadline deadline) override;
  Status rotate_bitmap(const std::string& current, const std::string& next, Deadline deadline) override;
  Status stop_bitmap(const std::string& bitmap, Deadline deadline) override;
  Status remove_bitmap(const std::string& bitmap, Deadline deadline) override;
  Status remove_bitmaps(const std::string& prefix, Deadline deadline) override;
  Result<file::Path> export_disk(const std::string& disk, const std::optional<std::string>& bitmap,
                                 Deadline deadline) override;
  Status unexport_disk(const std::string& disk, Deadline deadline) override;
  Status unexport_all(Deadline deadline) override;

  Status prepare_migration(MigrationSide side, std::uint32_t channels, Deadline deadline) override;
  Status migrate_incoming(const file::Path& socket, Deadline deadline) override;
  Status migrate_to(const file::Path& socket, Deadline deadline) override;
  Result<MigrationStatus> migration_status(Deadline deadline) override;
  Status continue_switchover(Deadline deadline) override;
  Status cancel_migration(Deadline deadline) override;
  Result<MigrationPhase> wait_migration_end(Deadline deadline, const Stop& stop) override;

 private:
  // Shared: a call in flight keeps its client while thaw() puts a new one in its place.
  std::shared_ptr<QmpClient> client() const { return client_.lock()->client; }
  // The one that stands, or a new one where it was lost or never made; its events follow those before.
  Result<std::shared_ptr<QmpClient>> monitor(Deadline deadline);
  Result<Json> call(std::string_view command, const Json& arguments, Deadline deadline);
  Status command(std::string_view name, const Json& arguments, Deadline deadline);
  Result<std::size_t> disk_index(const std::string& disk) const;
  Status transaction(Json actions, Deadline deadline);
  Status remove_export(const std::string& id, Deadline deadline);
  Result<std::uint64_t> disk_written_bytes(Deadline deadline);

  struct Connection {
    std::shared_ptr<QmpClient> client;
  };
  const VmDefinition definition_;
  const file::Path run_directory_;
  const ProcessName process_;
  const GuestUser user_;
  mutable Guarded<Connection> client_;
  struct Retry {
    SteadyTime not_before{};
    std::string failure;
  };
  std::timed_mutex connecting_;  // held by the one that connects
  Retry retry_;                  // under connecting_
};

}  // namespace sealift::hypervisor::qemu
