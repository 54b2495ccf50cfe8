#include "migrate/disk/sender.hpp"

#include <unistd.h>

#include <algorithm>

#include "migrate/disk/sender_worker.hpp"
#include "migrate/disk/workers.hpp"

namespace sealift::migrate {

namespace {

constexpr transport::StreamId kFirstStream = 1;

}  // namespace

struct DiskSender::Impl {
  Impl(transport::Session& over, std::vector<SourceDisk> of, const SenderOptions& with)
      : session(over), options(with), counters(of.size()) {
    for (SourceDisk& disk : of) disks.push_back(std::make_unique<SenderDisk>(std::move(disk)));
    for (unsigned i = 0; i < options.workers; ++i) {
      const auto stream = static_cast<transport::StreamId>(kFirstStream + i);
      workers.push_back(
          std::make_unique<SenderWorker>(session.writer(stream), disks, counters, options.compression));
    }
  }
  Status take(ByteView bytes);
  Status take_all(Deadline deadline, const Stop& stop);
  Status check_round(const std::vector<RoundDisk>& round) const;
  Status keep(Status outcome) {
    if (!outcome && !failure) failure = outcome.error();
    return outcome;
  }

  transport::Session& session;
  SenderOptions options;
  CopyCounters counters;
  std::vector<std::unique_ptr<SenderDisk>> disks;
  std::vector<std::unique_ptr<SenderWorker>> workers;
  std::uint64_t rounds = 0;
  bool ended = false;
  std::optional<Error> failure;
};

DiskSender::DiskSender(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DiskSender::~DiskSender() = default;

Result<std::unique_ptr<DiskSender>> DiskSender::open(transport::Session& session,
                                                     std::vector<SourceDisk> disks,
                                                     const SenderOptions& options) {
  if (options.workers < 1 || options.workers > kDiskWorkersMax) {
    return fail(Code::kInvalid, "{} workers: 1 to {} can copy disks", options.workers, kDiskWorkersMax);
  }
  if (disks.size() > UINT16_MAX) return fail(Code::kInvalid, "{} disks are too many", disks.size());
  return std::unique_ptr<DiskSender>(
      new DiskSender(std::make_unique<Impl>(session, std::move(disks), options)));
}

Status DiskSender::Impl::take(ByteView bytes) {
  const DiskRecord record = SEALIFT_TRY(decode_disk_record(bytes));
  if (record.header.kind != DiskRecordKind::kKnown || record.header.disk >= disks.size()) {
    return fail(Code::kCorrupt, "the destination offers leaves of disk {}, kind {}: there is no such thing",
                record.header.disk, static_cast<unsigned>(record.header.kind));
  }
  SenderDisk& disk = *disks[record.header.disk];
  SEALIFT_TRY_STATUS(check_disk_record(record, disk.table->disk_bytes()));
  if (!disk.offered) {
    const std::uint64_t disk_bytes = disk.table->disk_bytes();
    if (disk.known_file.empty()) {
      disk.offered = SEALIFT_TRY(image::LeafTable::temporary(disk_bytes));
    } else {
      // Scratch: an old one means nothing, and nobody needs its name once it is open.
      ::unlink(disk.known_file.c_str());
      disk.offered = SEALIFT_TRY(image::LeafTable::open(disk.known_file, disk_bytes));
      ::unlink(disk.known_file.c_str());
    }
  }
  for (std::uint32_t i = 0; i < record.header.count; ++i) {
    disk.offered->set(record.header.first + i, record.digest(i));
  }
  return {};
}

Status DiskSender::Impl::take_all(Deadline deadline, const Stop& stop) {
  auto reader = session.reader(kFirstStream);
  while (const auto record = SEALIFT_TRY(reader.next(deadline, stop))) SEALIFT_TRY_STATUS(take(*record));
  return {};
}

Status DiskSender::Impl::check_round(const std::vector<RoundDisk>& round) const {
  if (failure) return std::unexpected(*failure);
  if (ended) return fail(Code::kConflict, "the last round was sent already");
  if (round.size() != disks.size()) {
    return fail(Code::kInvalid, "a round of {} disks, the VM has {}", round.size(), disks.size());
  }
  for (std::size_t i = 0; i < round.size(); ++i) {
    const std::uint64_t bytes = disks[i]->table->disk_bytes();
    if (round[i].source == nullptr) {
      if (!round[i].leaves || !round[i].leaves->empty()) {
        return fail(Code::kInvalid, "disk {} has leaves to send and no source", i);
      }
      continue;
    }
    if (round[i].source->size_bytes() != bytes) {
      return fail(Code::kConflict, "disk {} has {} bytes now, the move began with {}: it was resized", i,
                  round[i].source->size_bytes(), bytes);
    }
    if (!round[i].leaves) continue;
    const auto& leaves = *round[i].leaves;
    const bool ascending = std::ranges::adjacent_find(leaves, std::greater_equal<>()) == leaves.end();
    if (!ascending || (!leaves.empty() && leaves.back() >= disks[i]->table->leaves())) {
      return fail(Code::kInvalid, "disk {}: the leaves of a round must ascend and exist", i);
    }
  }
  return {};
}

Status DiskSender::take_offer(Deadline deadline, const Stop& stop) {
  if (impl_->failure) return std::unexpected(*impl_->failure);
  return impl_->keep(impl_->take_all(deadline, stop));
}

Status DiskSender::send_round(const std::vector<RoundDisk>& disks, MoreRounds more, const Stop& stop) {
  Impl& impl = *impl_;
  SEALIFT_TRY_STATUS(impl.check_round(disks));
  std::vector<std::uint64_t> leaves_of;
  for (std::size_t i = 0; i < disks.size(); ++i) {
    impl.disks[i]->source = disks[i].source;
    leaves_of.push_back(impl.disks[i]->table->leaves());
  }
  impl.counters.begin_round();
  ++impl.rounds;
  impl.ended = more == MoreRounds::kNone;
  LeafRuns runs(disks, std::move(leaves_of));
  return impl.keep(run_workers(impl.options.workers, stop, [&](unsigned worker, const Stop& worker_stop) {
    return impl.workers[worker]->run(runs, impl.rounds, more, worker_stop);
  }));
}

std::uint64_t DiskSender::rounds() const {
  return impl_->rounds;
}

CopyStats DiskSender::stats() const {
  return impl_->counters.snapshot();
}

}  // namespace sealift::migrate
