
#include "base/log.hpp"
#include "migrate/progress_pump.hpp"
#include "migrate/source_copy_impl.hpp"

// A running guest leaves: disk rounds from dirty bitmaps, memory passes through the relay, and the end game
// after our own stop. SWITCHOVER_ACK is withheld by the relay, so QEMU never switches over by itself.

namespace sealift::migrate {

using namespace std::chrono_literals;
using hypervisor::EventKind;
using hypervisor::MigrationPhase;

namespace {

constexpr Milliseconds kQmpPatience{10'000};
constexpr Milliseconds kNbdPatience{20'000};
constexpr Milliseconds kSwitchPatience{60'000};
constexpr Milliseconds kLoadedPatience{30'000};
constexpr Milliseconds kRoundEvery{1'000};  // disks, beside the memory passes
constexpr int kRoundsMax = 12;

}  // namespace

std::string SourceCopy::Impl::bitmap_name(std::uint64_t number) const {
  return fmt::format("{}{}-{}", kBitmapPrefix, plan.move.hex().substr(0, 12), number);
}

Status SourceCopy::copy_live(const Stop& stop) {
  Impl& in = *impl_;
  if (!in.plan.vm.machine) return fail(Code::kConflict, "the VM is powered off");
  in.position = in.machine().event_position();
  SEALIFT_TRY_STATUS(in.send_side_files(stop));
  SEALIFT_TRY_STATUS(in.open_sender(stop));
  const ProgressPump pump([&] { in.show(); });
  SEALIFT_TRY_STATUS(in.disk_rounds(stop));
  SEALIFT_TRY_STATUS(in.start_memory(stop));
  return in.memory_passes(stop);
}

// Everything once, while the first bitmap records what the guest writes meanwhile.
Status SourceCopy::Impl::first_round(const Stop& stop) {
  bitmap = 1;
  SEALIFT_TRY_STATUS(machine().add_bitmap(bitmap_name(bitmap), Deadline::in(kQmpPatience)));
  std::vector<std::unique_ptr<image::NbdDisk>> disks;
  std::vector<RoundDisk> round;
  for (const auto& disk : definition().disks) {
    image::NbdOptions options;
    options.socket = SEALIFT_TRY(machine().export_disk(disk.name, std::nullopt, Deadline::in(kQmpPatience)));
    options.export_name = disk.name;
    options.connections = workers();
    disks.push_back(SEALIFT_TRY(
        image::NbdDisk::open(options, image::Access::kReadOnly, Deadline::in(kNbdPatience), stop)));
    round.push_back({disks.back().get(), std::nullopt});
  }
  SEALIFT_TRY_STATUS(sender->send_round(round, MoreRounds::kFollow, stop));
  show();  // the next round counts from nothing
  disks.clear();
  for (const auto& disk : definition().disks)
    SEALIFT_TRY_STATUS(machine().unexport_disk(disk.name, Deadline::in(kQmpPatience)));
  return round_durable(false, stop);
}

Result<std::uint64_t> SourceCopy::Impl::dirty_round(MoreRounds more, const Stop& stop) {
  const std::string current = bitmap_name(bitmap);
  SEALIFT_TRY_STATUS(machine().rotate_bitmap(current, bitmap_name(bitmap + 1), Deadline::in(kQmpPatience)));
  ++bitmap;
  std::vector<std::unique_ptr<image::NbdDisk>> disks;
  std::vector<RoundDisk> round;
  std::uint64_t leaves = 0;
  for (const auto& disk : definition().disks) {
    image::NbdOptions options;
    options.socket = SEALIFT_TRY(machine().export_disk(disk.name, current, Deadline::in(kQmpPatience)));
    options.export_name = disk.name;
    options.dirty_bitmap = current;
    options.connections = workers();
    disks.push_back(SEALIFT_TRY(
        image::NbdDisk::open(options, image::Access::kReadOnly, Deadline::in(kNbdPatience), stop)));
    auto dirty = SEALIFT_TRY(disks.back()->dirty_leaves(current));
    leaves += dirty.size();
    round.push_back({disks.back().get(), std::move(dirty)});
  }
  SEALIFT_TRY_STATUS(sender->send_round(round, more, stop));
  disks.clear();
  if (more == MoreRounds::kNone) return leaves;  // the caller tidies up when time is not short
  for (const auto& disk : definition().disks)
    SEALIFT_TRY_STATUS(machine().unexport_disk(disk.name, Deadline::in(kQmpPatience)));
  SEALIFT_TRY_STATUS(round_durable(false, stop));
  SEALIFT_TRY_STATUS(machine().remove_bitmap(current, Deadline::in(kQmpPatience)));
  return leaves;
}

Status SourceCopy::Impl::disk_rounds(const Stop& stop) {
  if (!sender) return {};
  SEALIFT_TRY_STATUS(first_round(stop));
  std::uint64_t before = UINT64_MAX;
  for (int round = 0; round < kRoundsMax; ++round) {
    const std::uint64_t leaves = SEALIFT_TRY(dirty_round(MoreRounds::kFollow, stop));
    if (leaves <= kSmallRoundLeaves || leaves + leaves / 4 >= before) return {};
    before = leaves;
    SEALIFT_TRY_STATUS(check_running());
  }
  return {};
}

Status SourceCopy::Impl::start_memory(const Stop& stop) {
  const unsigned channels = plan.agreed->request.channels;
  SEALIFT_TRY_STATUS(
      machine().prepare_migration(hypervisor::MigrationSide::kSource, channels, Deadline::in(kQmpPatience)));
  const file::Path socket = machine().run_directory() / "out.s";
  std::optional<uid_t> user;
  if (plan.guest_user) user = plan.guest_user->first;
  auto opened = SEALIFT_TRY(SourceRelay::open(plan.talk->session(), socket, 1 + channels, user));
  {
    const std::lock_guard lock(relay_mutex);
    relay = std::move(opened);
  }
  if (stop.stopped()) return fail(Code::kCancelled, "stopped");
  pace = {};
  pace.at = pace.pass_at = pace.synced_at = std::chrono::steady_clock::now();
  pace.convergence = Convergence(pace.at);
  pace.write_bytes_per_second = plan.agreed->write_bytes_per_second;
  return machine().migrate_to(socket, Deadline::in(kQmpPatience));
}

// What a guest or QEMU may do that ends a live move.
Status SourceCopy::Impl::take_event(const hypervisor::Event& event) {
  switch (event.kind) {
    case EventKind::kMigration:
      if (event.phase == MigrationPhase::kFailed || event.phase == MigrationPhase::kCancelled)
        return fail(Code::kIo, "QEMU's migration ended: {}", to_string(event.phase));
      pre_switchover |= event.phase == MigrationPhase::kPreSwitchover;
      return {};
    case EventKind::kStop:
    case EventKind::kShutdown:
    case EventKind::kSuspend:
    case EventKind::kReset:
    case EventKind::kGuestPanicked:
    case EventKind::kDiskError:
    case EventKind::kLost:
      return fail(Code::kConflict, "the guest did not just run on: QEMU reported {}", event.word);
    case EventKind::kMigrationPass: pace.synced_at = event.at; return {};
    case EventKind::kResume:
    case EventKind::kPowerdown:
    case EventKind::kWakeup:
    case EventKind::kOther: return {};
  }
  return {};
}

Status SourceCopy::Impl::check_running() {
  while (position < machine().event_position()) {
    const auto event = machine().next_event(position, Deadline::in(kQmpPatience), {});
    if (!event && event.error().code == Code::kExhausted) {
      position = machine().event_position();
      break;
    }
    if (!event) return std::unexpected(event.error());
    SEALIFT_TRY_STATUS(take_event(*event));
  }
  const auto status = SEALIFT_TRY(machine().status(Deadline::in(kQmpPatience)));
  if (!status.running) return fail(Code::kConflict, "the guest does not run any more: {}", status.word);
  const std::lock_guard lock(relay_mutex);
  if (relay && relay->failure()) return std::unexpected(*relay->failure());
  return {};
}

Status SourceCopy::Impl::memory_passes(const Stop& stop) {
  SteadyTime round_at = std::chrono::steady_clock::now();
  bool fresh_disks = sender == nullptr;
  while (true) {
    if (stop.stopped()) return fail(Code::kCancelled, "stopped");
    const auto event = machine().next_event(position, Deadline::in(200ms), stop);
    if (!event && event.error().code == Code::kExhausted)
      position = machine().event_position();
    else if (!event && event.error().code != Code::kTimeout)
      return std::unexpected(event.error());
    if (event) SEALIFT_TRY_STATUS(take_event(*event));
    const bool pass = event && event->kind == EventKind::kMigrationPass;
    if (event && !pass) continue;
    SEALIFT_TRY_STATUS(check_running());
    const auto status = SEALIFT_TRY(machine().migration_status(Deadline::in(kQmpPatience)));
    if (status.phase == MigrationPhase::kFailed)
      return fail(Code::kIo, "QEMU's migration failed: {}", status.error);
    show_memory(status);
    SEALIFT_TRY_STATUS(watch_convergence(status));
    const auto now = std::chrono::steady_clock::now();
    const bool little = status.passes >= 2 && little_remains(status);
    if (little && fresh_disks) return {};
    if (sender && (little || now - round_at > kRoundEvery)) {
      const std::uint64_t leaves = SEALIFT_TRY(dirty_round(MoreRounds::kFollow, stop));
      round_at = std::chrono::steady_clock::now();
      fresh_disks = disks_settled(leaves, status) && little;
    }
  }
}

Status SourceCopy::last_round(const Stop& stop) {
  Impl& in = *impl_;
  if (in.sender) {
    const std::uint64_t leaves = SEALIFT_TRY(in.dirty_round(MoreRounds::kNone, stop));
    log_debug("move.last_round", {{"leaves", leaves}});
  }
  // Firmware variables may have been written since they were sent.
  if (in.definition().firmware == hypervisor::Firmware::kUefi)
    SEALIFT_TRY_STATUS(in.files->send("vars.fd", stop));
  SEALIFT_TRY_STATUS(in.files->finish(stop));
  SEALIFT_TRY_STATUS(in.count_roots());
  SEALIFT_TRY_STATUS(in.round_durable(true, stop));
  in.show();
  return in.machine().unexport_all(Deadline::in(kQmpPatience));
}

Status SourceCopy::continue_switchover(const Stop& stop) {
  Impl& in = *impl_;
  const Deadline deadline = Deadline::in(kSwitchPatience);
  while (!in.pre_switchover) {
    const auto event = SEALIFT_TRY(in.machine().next_event(in.position, deadline, stop));
    if (event.kind == EventKind::kStop) continue;  // our own
    SEALIFT_TRY_STATUS(in.take_event(event));
  }
  return in.machine().continue_switchover(Deadline::in(kQmpPatience));
}

Status SourceCopy::end_streams(const Stop& stop) {
  Impl& in = *impl_;
  if (!in.relay) return fail(Code::kRefused, "no memory was sent");
  const std::uint32_t loaded = SEALIFT_TRY(in.relay->wait_loaded(Deadline::in(kLoadedPatience), stop));
  if (loaded != 0)
    return fail(Code::kRefused, "the destination's QEMU could not load the guest ({})", loaded);
  return in.relay->finish(Deadline::in(kLoadedPatience), stop);
}

Status SourceCopy::whole() const {
  const std::lock_guard lock(impl_->relay_mutex);
  if (!impl_->relay) return fail(Code::kRefused, "no memory was sent");
  if (const auto failure = impl_->relay->failure()) return std::unexpected(*failure);
  if (const auto failure = impl_->plan.talk->session().failure()) return std::unexpected(*failure);
  return {};
}

void SourceCopy::cut() {
  const std::lock_guard lock(impl_->relay_mutex);
  if (impl_->relay) impl_->relay->cut();
}

}  // namespace sealift::migrate
