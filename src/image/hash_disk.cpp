#include "image/hash_disk.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/check.hpp"
#include "base/guarded.hpp"

namespace sealift::image {

namespace {

// Leaves are handed out in runs, so that each thread reads forward and one lock-free step serves many.
constexpr std::uint64_t kRunLeaves = 64;

}  // namespace

Result<std::vector<bool>> zero_leaves(BlockSource& source, std::uint64_t first, std::uint64_t count) {
  const std::uint64_t begin = first * kLeafBytes;
  const std::uint64_t end = std::min(source.size_bytes(), begin + count * kLeafBytes);
  std::vector<bool> zeros(count, false);
  for (const Extent& extent : SEALIFT_TRY(source.extents(begin, end - begin))) {
    if (extent.kind != ExtentKind::kZero) continue;
    // Only leaves that lie inside the extent as a whole; the disk's end ends its last leaf.
    const std::uint64_t extent_end = extent.offset + extent.length;
    std::uint64_t leaf = (extent.offset + kLeafBytes - 1) / kLeafBytes;
    for (; leaf < first + count; ++leaf) {
      const std::uint64_t leaf_end = leaf * kLeafBytes + leaf_length(source.size_bytes(), leaf);
      if (leaf_end > extent_end) break;
      zeros[leaf - first] = true;
    }
  }
  return zeros;
}

Status for_each_run(std::uint64_t leaves, unsigned threads, const Stop& stop,
                    const std::function<Status(std::uint64_t, std::uint64_t, MutableByteView)>& work) {
  SEALIFT_CHECK(threads > 0);
  std::atomic<std::uint64_t> next_run{0};
  std::atomic<bool> failed{false};
  Guarded<Status> outcome;
  const auto fail_with = [&](Error error) {
    auto first_failure = outcome.lock();
    if (*first_failure) *first_failure = std::unexpected(std::move(error));
    failed = true;
  };
  const auto run = [&] {
    Bytes scratch(kLeafBytes);
    while (!failed) {
      const std::uint64_t first = next_run.fetch_add(kRunLeaves);
      if (first >= leaves) return;
      if (stop.stopped()) return fail_with({Code::kCancelled, "stopped while reading the disk"});
      const Status done = work(first, std::min(kRunLeaves, leaves - first), scratch);
      if (!done) return fail_with(done.error());
    }
  };
  {
    std::vector<std::jthread> others;
    const std::uint64_t useful = std::min<std::uint64_t>(threads, leaves / kRunLeaves + 1);
    for (std::uint64_t i = 1; i < useful; ++i) others.emplace_back(run);
    run();
  }
  return *outcome.lock();
}

Result<crypto::Digest> hash_disk(BlockSource& source, LeafTable& table, const HashOptions& options) {
  const std::uint64_t disk_bytes = table.disk_bytes();
  if (source.size_bytes() != disk_bytes) {
    return fail(Code::kConflict, "the disk has {} bytes, its leaf table is for {}", source.size_bytes(),
                disk_bytes);
  }
  Guarded<std::uint64_t> done{0};
  const auto hash_run = [&](std::uint64_t first, std::uint64_t count, MutableByteView scratch) -> Status {
    const auto zeros = SEALIFT_TRY(zero_leaves(source, first, count));
    for (std::uint64_t leaf = first; leaf < first + count; ++leaf) {
      if (zeros[leaf - first]) {
        table.set_zero(leaf, 1);
        continue;
      }
      const MutableByteView bytes = scratch.first(leaf_length(disk_bytes, leaf));
      SEALIFT_TRY_STATUS(source.read(leaf * kLeafBytes, bytes));
      table.set(leaf, crypto::blake3(bytes));
    }
    if (options.progress) options.progress(*done.lock() += count, table.leaves());
    return {};
  };
  SEALIFT_TRY_STATUS(for_each_run(table.leaves(), options.threads, options.stop, hash_run));
  return table.root();
}

}  // namespace sealift::image
