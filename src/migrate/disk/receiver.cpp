#include "migrate/disk/receiver.hpp"

#include <algorithm>
#include <optional>

#include "migrate/disk/receiver_worker.hpp"
#include "migrate/disk/sender.hpp"
#include "migrate/disk/workers.hpp"

namespace sealift::migrate {

namespace {

constexpr transport::StreamId kFirstStream = 1;
constexpr Milliseconds kStockPatience{900'000};  // the source waits meanwhile

// What is offered of a leaf: what the image itself has, or else an earlier copy. Zeros are not: the source
// announces them anyway.
std::optional<crypto::Digest> offered(const DestinationDisk& disk, std::uint64_t leaf) {
  const auto own = disk.table->digest(leaf);
  if (own) return *own == disk.table->zero_digest(leaf) ? std::nullopt : own;
  return disk.earlier != nullptr ? disk.earlier->digest(leaf) : std::nullopt;
}

}  // namespace

struct DiskReceiver::Impl {
  Impl(transport::Session& over, std::vector<DestinationDisk> of, const ReceiverOptions& with)
      : session(over), options(with), disks(std::move(of)), counters(disks.size()), named(disks) {
    for (unsigned i = 0; i < options.workers; ++i) {
      const auto stream = static_cast<transport::StreamId>(kFirstStream + i);
      workers.push_back(std::make_unique<ReceiverWorker>(session.reader(stream), disks, named, counters));
    }
  }
  Status verify(const image::LeafTable::Progress& progress, const Stop& stop);
  Status offer_all(Deadline deadline, const Stop& stop);
  Result<RoundReceived> receive(const Stop& stop);
  Result<RoundReceived> agree(const std::vector<RoundReceived>& ends) const;
  template <class R>
  R keep(R outcome) {
    if (!outcome && !failure) failure = outcome.error();
    return outcome;
  }

  transport::Session& session;
  ReceiverOptions options;
  const std::vector<DestinationDisk> disks;
  CopyCounters counters;
  NamedLeaves named;
  std::vector<std::unique_ptr<ReceiverWorker>> workers;
  std::uint64_t rounds = 0;
  bool ended = false;
  std::optional<Error> failure;
};

DiskReceiver::DiskReceiver(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DiskReceiver::~DiskReceiver() = default;

Result<std::unique_ptr<DiskReceiver>> DiskReceiver::open(transport::Session& session,
                                                         std::vector<DestinationDisk> disks,
                                                         const ReceiverOptions& options) {
  if (options.workers < 1 || options.workers > kDiskWorkersMax) {
    return fail(Code::kInvalid, "{} workers: 1 to {} can copy disks", options.workers, kDiskWorkersMax);
  }
  if (disks.size() > UINT16_MAX) return fail(Code::kInvalid, "{} disks are too many", disks.size());
  for (std::size_t i = 0; i < disks.size(); ++i) {
    const std::uint64_t bytes = disks[i].table->disk_bytes();
    if (disks[i].sink->size_bytes() != bytes || disks[i].content->size_bytes() != bytes) {
      return fail(Code::kConflict, "disk {}: the image has {} bytes, its leaf table is for {}", i,
                  disks[i].sink->size_bytes(), bytes);
    }
  }
  return std::unique_ptr<DiskReceiver>(
      new DiskReceiver(std::make_unique<Impl>(session, std::move(disks), options)));
}

Status DiskReceiver::Impl::verify(const image::LeafTable::Progress& progress, const Stop& stop) {
  std::uint64_t all = 0;
  for (const DestinationDisk& disk : disks) all += disk.table->leaves();
  std::uint64_t before = 0;
  for (const DestinationDisk& disk : disks) {
    const auto of_disk = [&](std::uint64_t done, std::uint64_t) {
      if (progress) progress(before + done, all);
    };
    SEALIFT_TRY(disk.table->verify_claims(*disk.content, options.workers, stop, of_disk));
    before += disk.table->leaves();
  }
  const Deadline until = Deadline::in(kStockPatience);
  for (const DestinationDisk& disk : disks) {
    if (disk.earlier == nullptr) continue;
    SEALIFT_TRY_STATUS(disk.earlier->take_stock(*disk.table, options.workers, until, stop));
  }
  return {};
}

Status DiskReceiver::Impl::offer_all(Deadline deadline, const Stop& stop) {
  auto writer = session.writer(kFirstStream);
  DiskRecordHeader header{.kind = DiskRecordKind::kKnown};
  const auto commit = [&]() -> Status {
    if (header.count == 0) return {};
    encode_disk_record_header(header, writer.buffer());
    const std::size_t bytes = kDiskRecordHeaderBytes + header.count * kDigestBytes;
    header.count = 0;
    return writer.commit(bytes, deadline, stop);
  };
  for (std::size_t i = 0; i < disks.size(); ++i) {
    for (std::uint64_t leaf = 0; leaf < disks[i].table->leaves(); ++leaf) {
      const auto digest = offered(disks[i], leaf);
      if (!digest || header.count == kDigestsMax) SEALIFT_TRY_STATUS(commit());
      if (!digest) continue;
      if (header.count == 0) header.disk = static_cast<std::uint16_t>(i), header.first = leaf;
      const auto place = writer.buffer().begin() + kDiskRecordHeaderBytes +
                         static_cast<std::ptrdiff_t>(header.count * kDigestBytes);
      std::ranges::copy(digest->bytes, place);
      ++header.count;
    }
    SEALIFT_TRY_STATUS(commit());
  }
  return writer.finish(deadline, stop);
}

Status DiskReceiver::offer(const image::LeafTable::Progress& progress, Deadline deadline, const Stop& stop) {
  if (impl_->failure) return std::unexpected(*impl_->failure);
  SEALIFT_TRY_STATUS(impl_->keep(impl_->verify(progress, stop)));
  return impl_->keep(impl_->offer_all(deadline, stop));
}

Result<RoundReceived> DiskReceiver::Impl::agree(const std::vector<RoundReceived>& ends) const {
  for (const RoundReceived& end : ends) {
    if (end.number != rounds || end.last != ends.front().last) {
      return fail(Code::kCorrupt, "the disk streams end round {} as {}{} and {}{}", rounds,
                  ends.front().number, ends.front().last ? ", the last" : "", end.number,
                  end.last ? ", the last" : "");
    }
  }
  return ends.front();
}

Result<RoundReceived> DiskReceiver::Impl::receive(const Stop& stop) {
  if (ended) return fail(Code::kClosed, "the last round was received already");
  ++rounds;
  counters.begin_round();
  named.clear();
  std::vector<RoundReceived> ends(workers.size());
  Checkpointer checkpointer(disks, counters);
  const auto work = [&](unsigned worker, const Stop& worker_stop) -> Status {
    ends[worker] = SEALIFT_TRY(workers[worker]->run(checkpointer, worker_stop));
    return {};
  };
  SEALIFT_TRY_STATUS(run_workers(options.workers, stop, work));
  const RoundReceived round = SEALIFT_TRY(agree(ends));
  SEALIFT_TRY_STATUS(checkpointer.drain());
  ended = round.last;
  return round;
}

Result<RoundReceived> DiskReceiver::receive_round(const Stop& stop) {
  if (impl_->failure) return std::unexpected(*impl_->failure);
  return impl_->keep(impl_->receive(stop));
}

CopyStats DiskReceiver::stats() const {
  return impl_->counters.snapshot();
}

}  // namespace sealift::migrate
