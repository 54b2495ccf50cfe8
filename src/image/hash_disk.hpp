#pragma once

// Reads a whole disk and fills its leaf table: `vm.rest`, `start` of a sealed VM, the check after a copy.
// Holes are not read. Memory: one leaf per thread.

#include <functional>

#include "base/stop.hpp"
#include "image/leaf_table.hpp"

namespace sealift::image {

struct HashOptions {
  unsigned threads = 2;
  Stop stop;
  LeafTable::Progress progress;  // called by the working threads, one at a time
};

// The table's root afterwards. Sizes must match (kConflict).
Result<crypto::Digest> hash_disk(BlockSource& source, LeafTable& table, const HashOptions& options = {});

// Which leaves of [first, first + count) are holes or otherwise known to be zero, without reading them.
Result<std::vector<bool>> zero_leaves(BlockSource& source, std::uint64_t first, std::uint64_t count);

// Hands out [0, leaves) in runs of at most 64 leaves to that many threads: work(first, count, scratch);
// scratch holds kLeafBytes. The first failure ends all. (hash_disk and verify_claims are made of it.)
Status for_each_run(std::uint64_t leaves, unsigned threads, const Stop& stop,
                    const std::function<Status(std::uint64_t, std::uint64_t, MutableByteView)>& work);

}  // namespace sealift::image
