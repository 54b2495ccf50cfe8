#include "migrate/disk/copy_counters.hpp"

namespace sealift::migrate {

CopyStats CopyCounters::snapshot() const {
  const auto ms = [&](Stage stage) {
    return static_cast<double>(times_[static_cast<std::size_t>(stage)].load()) / 1e6;
  };
  const auto bytes = [&](Amount amount) { return amounts_[static_cast<std::size_t>(amount)].load(); };
  CopyStats out;
  out.read_bytes = bytes(Amount::kRead);
  out.zero_bytes = bytes(Amount::kZero);
  out.same_bytes = bytes(Amount::kSame);
  out.data_bytes = bytes(Amount::kData);
  out.compressed_bytes = bytes(Amount::kCompressed);
  out.record_bytes = bytes(Amount::kRecord);
  out.read_ms = ms(Stage::kRead);
  out.hash_ms = ms(Stage::kHash);
  out.compress_ms = ms(Stage::kCompress);
  out.send_ms = ms(Stage::kSend);
  out.receive_ms = ms(Stage::kReceive);
  out.write_ms = ms(Stage::kWrite);
  out.flush_ms = ms(Stage::kFlush);
  for (std::size_t i = 0; i < disks_; ++i) {
    out.disks.push_back({.done_bytes = per_disk_[i].done.load(),
                         .sent_bytes = per_disk_[i].sent.load(),
                         .had_bytes = per_disk_[i].had.load()});
  }
  return out;
}

}  // namespace sealift::migrate
