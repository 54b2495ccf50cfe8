#include "migrate/disk/checkpointer.hpp"

namespace sealift::migrate {

namespace {

constexpr std::size_t kBatchesMax = 16;

Status flush_disk(const DestinationDisk& disk, std::size_t index) {
  const Status flushed = disk.sink->flush();
  if (flushed) return {};
  if (flushed.error().code == Code::kExhausted) {
    return because(
        flushed.error(),
        fmt::format("disk {}: the destination's storage is full; nothing is lost: free space there "
                    "and move again",
                    index));
  }
  return because(flushed.error(), fmt::format("make disk {} durable", index));
}

}  // namespace

Checkpointer::Checkpointer(const std::vector<DestinationDisk>& disks, CopyCounters& counters)
    : disks_(disks), counters_(counters), thread_([this] { work(); }) {}

Checkpointer::~Checkpointer() {
  state_.lock()->ending = true;
  state_.notify_all();
}

Status Checkpointer::add(std::vector<WrittenLeaves> batch) {
  {
    auto state = state_.lock();
    state.wait([](const State& s) { return s.failure || s.waiting.size() < kBatchesMax; });
    if (state->failure) return std::unexpected(*state->failure);
    state->waiting.push_back(std::move(batch));
  }
  state_.notify_all();
  return {};
}

Status Checkpointer::drain() {
  auto state = state_.lock();
  state.wait([](const State& s) { return s.failure || (s.waiting.empty() && !s.busy); });
  if (state->failure) return std::unexpected(*state->failure);
  return {};
}

void Checkpointer::work() {
  while (true) {
    std::vector<std::vector<WrittenLeaves>> batches;
    {
      auto state = state_.lock();
      state.wait([](const State& s) { return s.ending || !s.waiting.empty(); });
      if (state->ending) return;  // what was not drained is not promised
      batches.swap(state->waiting);
      state->busy = true;
    }
    state_.notify_all();
    const Status done = make_durable(batches);
    {
      auto state = state_.lock();
      state->busy = false;
      if (!done) state->failure = done.error();
    }
    state_.notify_all();
    if (!done) return;
  }
}

Status Checkpointer::make_durable(const std::vector<std::vector<WrittenLeaves>>& batches) {
  Laps laps(counters_);
  std::vector<bool> touched(disks_.size(), false);
  for (const auto& batch : batches) {
    for (const WrittenLeaves& leaves : batch) touched[leaves.disk] = true;
  }
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    if (touched[i]) SEALIFT_TRY_STATUS(flush_disk(disks_[i], i));
  }
  for (const auto& batch : batches) {
    for (const WrittenLeaves& leaves : batch) {
      image::LeafTable& table = *disks_[leaves.disk].table;
      if (leaves.content == WrittenLeaves::Content::kZeros) {
        table.set_zero(leaves.first, leaves.count);
      } else {
        table.set(leaves.first, leaves.digest);
      }
    }
  }
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    if (touched[i]) SEALIFT_TRY_STATUS(disks_[i].table->sync());
  }
  laps.end(Stage::kFlush);
  return {};
}

}  // namespace sealift::migrate
