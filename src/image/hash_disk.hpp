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

// Runs `work(leaf, scratch)` for every leaf of [0, leaves) for which `wanted` is true, on that many threads;
// scratch holds kLeafBytes. The first failure ends all. (hash_disk and verify_claims are made of it.)
Status for_each_leaf(std::uint64_t leaves, unsigned threads, const Stop& stop,
                     const std::function<bool(std::uint64_t)>& wanted,
                     const std::function<Status(std::uint64_t, MutableByteView)>& work);

}  // namespace sealift::image
