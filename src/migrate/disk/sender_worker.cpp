#include "migrate/disk/sender_worker.hpp"

#include <algorithm>

#include "image/hash_disk.hpp"

namespace sealift::migrate {

namespace {

// Sealing a record and handing it over, without waiting: not the link's fault.
constexpr std::chrono::microseconds kSealTime{100};

}  // namespace

Status SenderWorker::run(LeafRuns& runs, std::uint64_t round, MoreRounds more, const Stop& stop) {
  laps_.restart();
  last_commit_ = std::chrono::steady_clock::now();
  while (const auto run = runs.next()) SEALIFT_TRY_STATUS(send_run(*run, stop));
  const bool last = more == MoreRounds::kNone;
  encode_disk_record_header(
      {.kind = DiskRecordKind::kEnd, .disk = 0, .count = last ? 1U : 0U, .first = round}, writer_.buffer());
  SEALIFT_TRY_STATUS(commit(kDiskRecordHeaderBytes, stop));
  if (last) return writer_.finish(Deadline::never(), stop);
  return {};
}

Status SenderWorker::send_run(const LeafRun& run, const Stop& stop) {
  SenderDisk& disk = *disks_[run.disk];
  zeros_.clear(), same_.clear(), same_digests_.clear();
  if (stop.stopped()) return fail(Code::kCancelled, "stopped while sending disk {}", run.disk);
  const auto holes = SEALIFT_TRY(image::zero_leaves(*disk.source, run.first, run.count));
  laps_.end(Stage::kRead);
  for (std::uint64_t leaf = run.first; leaf < run.first + run.count; ++leaf) {
    if (holes[leaf - run.first]) {
      disk.table->set_zero(leaf, 1);
      name(zeros_, leaf);
    } else {
      SEALIFT_TRY_STATUS(send_leaf(run, disk, leaf, stop));
    }
  }
  laps_.end(Stage::kHash);
  SEALIFT_TRY_STATUS(send_named(run, stop));
  for (std::uint64_t leaf = run.first; leaf < run.first + run.count; ++leaf) disk.sent.set(leaf);
  const std::uint64_t end = std::min(disk.table->disk_bytes(), (run.first + run.count) * image::kLeafBytes);
  counters_.done(run.disk, end - run.first * image::kLeafBytes);
  return {};
}

Status SenderWorker::send_leaf(const LeafRun& run, SenderDisk& disk, std::uint64_t leaf, const Stop& stop) {
  const std::size_t bytes = image::leaf_length(disk.table->disk_bytes(), leaf);
  // Read to where it will be sealed: it is copied only if it gets shorter.
  const MutableByteView data = writer_.buffer().subspan(kLeafRecordHeaderBytes, bytes);
  SEALIFT_TRY_STATUS(disk.source->read(leaf * image::kLeafBytes, data));
  laps_.end(Stage::kRead);
  counters_.add(Amount::kRead, bytes);
  if (image::all_zero(data)) {
    disk.table->set_zero(leaf, 1);
    name(zeros_, leaf);
    return {};
  }
  const crypto::Digest digest = crypto::blake3(data);
  laps_.end(Stage::kHash);
  const bool there = disk.at_destination(leaf) == digest;
  disk.table->set(leaf, digest);
  if (there) {
    name(same_, leaf);
    same_digests_.insert(same_digests_.end(), digest.bytes.begin(), digest.bytes.end());
    return {};
  }
  counters_.sent(run.disk, bytes);
  counters_.add(Amount::kData, bytes);
  return send_data(run.disk, leaf, digest, bytes, stop);
}

Status SenderWorker::send_data(std::size_t disk, std::uint64_t leaf, const crypto::Digest& digest,
                               std::size_t bytes, const Stop& stop) {
  const MutableByteView record = writer_.buffer();
  DiskRecordHeader header{
      .kind = DiskRecordKind::kData, .disk = static_cast<std::uint16_t>(disk), .count = 1, .first = leaf};
  std::size_t body = bytes;
  if (choice_.pays()) {
    const ByteView shorter = compressor_.compress(record.subspan(kLeafRecordHeaderBytes, bytes));
    choice_.compressed(bytes, shorter.size(), laps_.end(Stage::kCompress));
    if (!shorter.empty()) {
      std::ranges::copy(shorter, record.begin() + kLeafRecordHeaderBytes);
      header.kind = DiskRecordKind::kZstd;
      body = shorter.size();
      counters_.add(Amount::kCompressed, bytes);
    }
  }
  encode_disk_record_header(header, record);
  std::ranges::copy(digest.bytes, record.begin() + kDiskRecordHeaderBytes);
  return commit(kLeafRecordHeaderBytes + body, stop);
}

Status SenderWorker::send_named(const LeafRun& run, const Stop& stop) {
  const std::uint64_t disk_bytes = disks_[run.disk]->table->disk_bytes();
  const auto bytes_of = [&](const Named& named) {
    return std::min(disk_bytes, (named.first + named.count) * image::kLeafBytes) -
           named.first * image::kLeafBytes;
  };
  DiskRecordHeader header{.kind = DiskRecordKind::kZero, .disk = static_cast<std::uint16_t>(run.disk)};
  for (const Named& named : zeros_) {
    header.count = named.count, header.first = named.first;
    encode_disk_record_header(header, writer_.buffer());
    counters_.add(Amount::kZero, bytes_of(named));
    SEALIFT_TRY_STATUS(commit(kDiskRecordHeaderBytes, stop));
  }
  header.kind = DiskRecordKind::kSame;
  ByteView digests(same_digests_);
  for (const Named& named : same_) {
    header.count = named.count, header.first = named.first;
    encode_disk_record_header(header, writer_.buffer());
    const std::size_t length = named.count * kDigestBytes;
    std::ranges::copy(digests.first(length), writer_.buffer().begin() + kDiskRecordHeaderBytes);
    digests = digests.subspan(length);
    counters_.add(Amount::kSame, bytes_of(named));
    counters_.had(run.disk, bytes_of(named));
    SEALIFT_TRY_STATUS(commit(kDiskRecordHeaderBytes + length, stop));
  }
  return {};
}

Status SenderWorker::commit(std::size_t bytes, const Stop& stop) {
  SEALIFT_TRY_STATUS(writer_.commit(bytes, Deadline::never(), stop));
  counters_.add(Amount::kRecord, bytes);
  const auto spent = laps_.end(Stage::kSend);
  const auto now = std::chrono::steady_clock::now();
  choice_.committed(bytes, std::max(spent - kSealTime, std::chrono::nanoseconds{0}), now - last_commit_);
  last_commit_ = now;
  return {};
}

void SenderWorker::name(std::vector<Named>& list, std::uint64_t leaf) {
  if (list.empty() || list.back().first + list.back().count != leaf) {
    list.push_back({.first = leaf, .count = 0});
  }
  ++list.back().count;
}

}  // namespace sealift::migrate
