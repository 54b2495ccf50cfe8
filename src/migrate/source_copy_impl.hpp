#pragma once

// SourceCopy's inside, shared by source_copy.cpp (what both modes do, cold) and source_live.cpp.

#include <mutex>

#include "image/nbd.hpp"
#include "image/qemu_nbd.hpp"
#include "image/raw_file.hpp"
#include "migrate/convergence.hpp"
#include "migrate/disk/sender.hpp"
#include "migrate/relay/relay.hpp"
#include "migrate/side_files.hpp"
#include "migrate/source_copy.hpp"

namespace sealift::migrate {

constexpr std::uint64_t kSmallRoundLeaves = 64;  // 16 MiB: rounds before the memory end here

struct SourceCopy::Impl {
  explicit Impl(CopyPlan p) : plan(std::move(p)) {}

  CopyPlan plan;
  std::vector<std::unique_ptr<image::LeafTable>> tables;  // one per disk
  std::unique_ptr<SideFileSender> files;
  std::unique_ptr<DiskSender> sender;  // none without disks
  std::vector<crypto::Digest> roots;   // once everything was sent

  // Live.
  mutable std::mutex relay_mutex;
  std::unique_ptr<SourceRelay> relay;
  std::uint64_t bitmap = 0;    // the number of the one that records now
  std::uint64_t position = 0;  // in the machine's events
  bool pre_switchover = false;

  const hypervisor::VmDefinition& definition() const { return plan.agreed->request.vm.definition; }
  hypervisor::Machine& machine() const { return *plan.vm.machine; }
  unsigned workers() const { return std::clamp(plan.agreed->request.channels, 1U, kDiskWorkersMax); }
  std::string bitmap_name(std::uint64_t number) const;

  Status open_tables();
  Status open_sender(const Stop& stop);
  Status take_offer(const Stop& stop);
  Status send_side_files(const Stop& stop);
  void show();  // counters into the progress
  // Says the round and waits until it is durable at the destination.
  Status round_durable(bool last, const Stop& stop);
  Status count_roots();

  // source_live.cpp
  Result<std::uint64_t> dirty_round(MoreRounds more, const Stop& stop);  // leaves sent
  Status first_round(const Stop& stop);
  Status disk_rounds(const Stop& stop);
  Status start_memory(const Stop& stop);
  Status memory_passes(const Stop& stop);
  Status take_event(const hypervisor::Event& event);
  std::uint64_t memory_left(const hypervisor::MigrationStatus& status) const;
  bool little_remains(const hypervisor::MigrationStatus& status) const;
  bool fits_downtime(const hypervisor::MigrationStatus& status) const;
  bool disks_settled(std::uint64_t leaves, const hypervisor::MigrationStatus& status);
  Status watch_convergence(const hypervisor::MigrationStatus& status);
  void show_memory(const hypervisor::MigrationStatus& status);
  Status check_running();

  struct Pace {
    SteadyTime at{};
    std::uint64_t transferred = 0;
    double bytes_per_second = 0;
    std::uint64_t pass = 0;
    SteadyTime pass_at{};    // when this pass was first seen
    SteadyTime synced_at{};  // QEMU's last synchronisation of the dirty bitmap was then or later
    std::uint64_t write_bytes_per_second =
        0;                           // the guest's: what a pass began with, over the time of the one before
    std::uint64_t dirty_leaves = 0;  // of the disks, in their last round
    Convergence convergence{SteadyTime{}};
    bool stuck = false;
  } pace;
};

}  // namespace sealift::migrate
