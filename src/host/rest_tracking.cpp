// Which leaves a sealed VM's guest writes: dirty bitmaps of its QEMU, for as long as it runs, so that its
// power-off costs the reading of those alone. They are lost with their process; then whole disks are read
// (rest.cpp).

#include "base/log.hpp"
#include "host/impl.hpp"
#include "image/nbd.hpp"

namespace sealift::host {

using namespace std::chrono_literals;

namespace {

// Its presence says that the leaf tables in the VM's directory are those of the disks that this QEMU began
// with.
constexpr const char* kBitmap = "sealift-rest";
constexpr Milliseconds kQmpPatience{10'000};
constexpr Milliseconds kNbdPatience{30'000};
constexpr Milliseconds kGlance{200};
constexpr Milliseconds kQuitPatience{60'000};

}  // namespace

// Before the guest runs. A failure costs time at the power-off, nothing else.
void Host::Impl::track_writes(const PlaceRow& row, hypervisor::Machine& machine) {
  const Status tracked = [&]() -> Status {
    SEALIFT_TRY_STATUS(machine.add_bitmap(kBitmap, Deadline::in(kQmpPatience)));
    return machine.keep_at_shutdown(Deadline::in(kQmpPatience));
  }();
  if (!tracked) log_warning("vm.rest", {{"vm", row.definition.name}, {"untracked", tracked.error().message}});
}

bool Host::Impl::powered_off(const PlaceRow& row, hypervisor::Machine& machine) {
  if (row.definition.at_rest != hypervisor::AtRest::kSealed) return false;
  if (machine.process_state() != ProcessState::kRunning) return false;
  const auto status = machine.status(Deadline::in(1s));
  return status && status->state == hypervisor::RunState::kShutdown;
}

namespace {

Result<ChangedLeaves> read_bitmaps(const PlaceRow& row, hypervisor::Machine& machine, const Stop& stop) {
  SEALIFT_TRY_STATUS(machine.stop_bitmap(kBitmap, Deadline::in(kQmpPatience)));
  ChangedLeaves changed;
  for (const auto& disk : row.definition.disks) {
    image::NbdOptions options;
    options.socket = SEALIFT_TRY(machine.export_disk(disk.name, kBitmap, Deadline::in(kQmpPatience)));
    options.export_name = disk.name;
    options.dirty_bitmap = kBitmap;
    options.connections = 1;
    const auto nbd = SEALIFT_TRY(
        image::NbdDisk::open(options, image::Access::kReadOnly, Deadline::in(kNbdPatience), stop));
    changed.push_back(SEALIFT_TRY(nbd->dirty_leaves(kBitmap)));
  }
  SEALIFT_TRY_STATUS(machine.unexport_all(Deadline::in(kQmpPatience)));
  return changed;
}

}  // namespace

// The guest is off, its process waits for us.
std::optional<ChangedLeaves> Host::Impl::end_powered_off(const PlaceRow& row, hypervisor::Machine& machine,
                                                         const Stop& stop) {
  auto changed = read_bitmaps(row, machine, stop);
  if (!changed) log_warning("vm.rest", {{"vm", row.definition.name}, {"whole", changed.error().message}});
  // In good order: what an image format keeps in memory is written.
  Status quit = machine.quit(Deadline::in(kQmpPatience));
  if (quit) {
    const auto gone = machine.wait_gone(Deadline::in(kQuitPatience), stop);
    if (!gone) quit = std::unexpected(gone.error());
  }
  if (!quit) {
    log_warning("vm.rest", {{"vm", row.definition.name}, {"killed", quit.error().message}});
    static_cast<void>(machine.kill(Deadline::in(10s)));
    return std::nullopt;
  }
  if (!changed) return std::nullopt;
  return std::move(*changed);
}

// Until the process has ended; kTimeout: it goes on.
Status Host::Impl::wait_off(const std::string& key, hypervisor::Machine& machine, Deadline deadline,
                            const Stop& stop, std::optional<ChangedLeaves>* changed) {
  const PlaceRow row = row_of(key);
  while (true) {
    if (powered_off(row, machine)) {
      *changed = end_powered_off(row, machine, stop);
      return {};
    }
    const auto gone = machine.wait_gone(deadline.within(kGlance), stop);
    if (gone) return {};
    if (gone.error().code != Code::kTimeout || deadline.passed()) return std::unexpected(gone.error());
  }
}

}  // namespace sealift::host
