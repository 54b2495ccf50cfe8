#include "migrate/destination_receive.hpp"

#include <fcntl.h>

#include <algorithm>
#include <thread>

#include "hypervisor/qemu/machine.hpp"
#include "migrate/disk/sender.hpp"
#include "migrate/incoming_disks.hpp"
#include "migrate/memory_parts.hpp"
#include "migrate/progress_pump.hpp"
#include "migrate/relay/relay.hpp"
#include "migrate/side_files.hpp"
#include "migrate/statement.hpp"

namespace sealift::migrate {

using namespace std::chrono_literals;
using hypervisor::MigrationPhase;

namespace {

constexpr Milliseconds kOfferPatience{3'600'000};
constexpr Milliseconds kQmpPatience{10'000};
constexpr Milliseconds kLoadPatience{60'000};  // after the last round

Status sync_file(const file::Path& path) {
  const UniqueFd fd = SEALIFT_TRY(file::open(path, O_RDONLY));
  SEALIFT_TRY_STATUS(file::sync(fd.get(), path));
  return file::sync_directory(path.parent_path());
}

}  // namespace

struct DestinationReceive::Impl {
  explicit Impl(ReceivePlan p) : plan(std::move(p)) {}

  ReceivePlan plan;
  IncomingPlace place;
  std::unique_ptr<IncomingDisks> disks;
  std::unique_ptr<DiskReceiver> receiver;
  std::unique_ptr<SideFileReceiver> files;
  std::jthread file_thread;
  StopSource file_stop;
  Status files_received;
  Guarded<bool> files_ended;
  std::vector<crypto::Digest> roots;
  std::shared_ptr<hypervisor::Machine> machine;  // shared with the host
  std::unique_ptr<DestinationRelay> relay;

  const hypervisor::VmDefinition& definition() const { return plan.agreed->request.vm.definition; }
  bool live() const { return plan.agreed->request.vm.live; }
  unsigned workers() const { return std::clamp(plan.agreed->request.channels, 1U, kDiskWorkersMax); }

  Status launch(const Stop& stop);
  Status take_rounds(const Stop& stop);
  Status take_files(const Stop& stop);
  Status close_images();
  Status wait_loaded(const Stop& stop);
  void show();
};

DestinationReceive::DestinationReceive(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

DestinationReceive::~DestinationReceive() {
  impl_->file_stop.stop();
  if (impl_->file_thread.joinable()) impl_->file_thread.join();
  if (impl_->relay) impl_->relay->cut();
}

Result<std::unique_ptr<DestinationReceive>> DestinationReceive::open(ReceivePlan plan) {
  auto impl = std::make_unique<Impl>(std::move(plan));
  return std::unique_ptr<DestinationReceive>(new DestinationReceive(std::move(impl)));
}

Status DestinationReceive::prepare(const Stop& stop) {
  Impl& in = *impl_;
  in.place = SEALIFT_TRY(in.plan.host->make_incoming(in.plan.move, in.plan.agreed->request.vm));
  in.disks = SEALIFT_TRY(
      IncomingDisks::open(in.plan.agreed->request.vm, in.place, *in.plan.host, in.plan.scratch, stop));
  transport::Session& session = in.plan.talk->session();
  in.files = std::make_unique<SideFileReceiver>(session, in.place.directory,
                                                hypervisor::side_files(in.definition()));
  if (!in.disks->empty())
    in.receiver = SEALIFT_TRY(DiskReceiver::open(session, in.disks->ends(), {.workers = in.workers()}));
  return {};
}

Status DestinationReceive::Impl::launch(const Stop& stop) {
  const unsigned channels = plan.agreed->request.channels;
  machine = SEALIFT_TRY(plan.host->launch_incoming(plan.move));
  SEALIFT_TRY_STATUS(machine->prepare_migration(hypervisor::MigrationSide::kDestination, channels,
                                                Deadline::in(kQmpPatience)));
  const file::Path socket = machine->run_directory() / "in.s";
  SEALIFT_TRY_STATUS(machine->migrate_incoming(socket, Deadline::in(kQmpPatience)));
  if (stop.stopped()) return fail(Code::kCancelled, "stopped");
  relay = SEALIFT_TRY(DestinationRelay::open(plan.talk->session(), socket, 1 + channels));
  return {};
}

Status DestinationReceive::receive(const Stop& stop) {
  Impl& in = *impl_;
  in.file_thread = std::jthread([&in] {
    in.files_received = in.files->receive(in.file_stop.token());
    *in.files_ended.lock() = true;
    in.files_ended.notify_all();
  });
  if (in.live()) {  // QEMU needs its kernel and firmware variables to start
    SEALIFT_TRY_STATUS(in.files->wait_all(stop));
    SEALIFT_TRY_STATUS(in.launch(stop));
  }
  {
    const ProgressPump pump([&] { in.show(); });
    SEALIFT_TRY_STATUS(in.take_rounds(stop));
  }
  SEALIFT_TRY_STATUS(in.close_images());
  in.roots = SEALIFT_TRY(in.disks->roots());
  return in.live() ? in.wait_loaded(stop) : Status{};
}

void DestinationReceive::Impl::show() {
  if (!receiver) return;
  const CopyStats stats = receiver->stats();
  plan.update([&](MoveProgress& progress) {
    for (std::size_t i = 0; i < progress.disks.size() && i < stats.disks.size(); ++i) {
      progress.disks[i].done_bytes = std::max(progress.disks[i].done_bytes, stats.disks[i].done_bytes);
      progress.disks[i].sent_bytes = stats.disks[i].sent_bytes;
      progress.disks[i].had_bytes = stats.disks[i].had_bytes;
    }
  });
}

// A source that never ends the stream must not keep us from stopping.
Status DestinationReceive::Impl::take_files(const Stop& stop) {
  while (!files_ended.lock().wait_until(std::chrono::steady_clock::now() + 100ms,
                                        [](bool ended) { return ended; }))
    if (stop.stopped()) return fail(Code::kCancelled, "stopped");
  if (file_thread.joinable()) file_thread.join();
  return files_received;
}

// The last round counts as durable only together with the side files: the firmware's variables come with it.
Status DestinationReceive::Impl::take_rounds(const Stop& stop) {
  std::uint64_t number = 1;
  bool last = false;
  if (receiver) {
    SEALIFT_TRY_STATUS(receiver->offer({}, Deadline::in(kOfferPatience), stop));
  } else {
    SEALIFT_TRY_STATUS(
        plan.inbox->wait(Deadline::never(), stop, [](const Inbox& i) { return i.round && i.round->last; }));
    last = true;
  }
  while (!last) {
    const RoundReceived round = SEALIFT_TRY(receiver->receive_round(stop));
    number = round.number;
    last = round.last;
    if (last) break;
    plan.update([&](MoveProgress& progress) {
      for (DiskProgress& disk : progress.disks) disk.round = number;
    });
    SEALIFT_TRY_STATUS(plan.talk->send(protocol::RoundDurable{number}, stop));
  }
  SEALIFT_TRY_STATUS(take_files(stop));
  return plan.talk->send(protocol::RoundDurable{number}, stop);
}

Status DestinationReceive::Impl::close_images() {
  receiver.reset();
  return disks->close();
}

// QEMU has loaded everything and is paused. It never starts by itself (-S).
Status DestinationReceive::Impl::wait_loaded(const Stop& stop) {
  const Deadline deadline = Deadline::in(kLoadPatience);
  std::uint64_t position = 0;
  while (true) {
    const auto status = SEALIFT_TRY(machine->migration_status(Deadline::in(kQmpPatience)));
    if (status.phase == MigrationPhase::kFailed)
      return fail(Code::kIo, "QEMU could not load the guest: {}", status.error);
    if (status.phase == MigrationPhase::kCompleted) break;
    if (const auto failure = relay->failure()) return std::unexpected(*failure);
    const auto event = machine->next_event(position, deadline, stop);
    if (!event && event.error().code == Code::kExhausted)
      position = machine->event_position();
    else if (!event)
      return std::unexpected(event.error());
  }
  const auto state = SEALIFT_TRY(machine->status(Deadline::in(kQmpPatience)));
  if (state.running || state.state != hypervisor::RunState::kPaused)
    return fail(Code::kConflict, "the loaded guest is not paused: {}", state.word);
  return {};
}

Status DestinationReceive::drain(Deadline deadline, const Stop& stop) {
  return impl_->relay ? impl_->relay->wait_drained(deadline, stop) : Status{};
}

Status DestinationReceive::sync() {
  Impl& in = *impl_;
  for (const file::Path& disk : in.place.placement.disks) SEALIFT_TRY_STATUS(sync_file(disk));
  return file::sync_directory(in.place.directory);
}

void DestinationReceive::cut() {
  if (impl_->relay) impl_->relay->cut();
}

const std::shared_ptr<hypervisor::Machine>& DestinationReceive::machine() const {
  return impl_->machine;
}

std::vector<ledger::SealPart> DestinationReceive::parts() const {
  const Impl& in = *impl_;
  const Bytes definition = hypervisor::canonical_bytes(in.definition());
  std::vector<ledger::SealPart> parts = in.files ? in.files->parts() : std::vector<ledger::SealPart>{};
  parts.push_back(
      {"definition", std::string(kAlgorithmSha256), definition.size(), crypto::sha256(definition)});
  for (std::size_t i = 0; i < in.roots.size(); ++i) {
    const IncomingDisk& disk = in.plan.agreed->request.vm.disks[i];
    parts.push_back({"disk/" + disk.name, std::string(kAlgorithmLeaves), disk.virtual_bytes, in.roots[i]});
  }
  if (in.live())
    std::ranges::move(memory_parts(in.plan.talk->session(), in.plan.agreed->request.channels,
                                   transport::Direction::kReceived),
                      std::back_inserter(parts));
  return parts;
}

}  // namespace sealift::migrate
