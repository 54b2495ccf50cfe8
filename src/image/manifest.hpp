#pragma once

// What the disks of a VM are, as the seal signs it and the destination compares it. JSON, canonical by the
// order of its keys:
//   {"disks":[{"name":"vda","virtual_bytes":N,"format":"qcow2","leaf_bytes":262144,"digest":"blake3",
//              "root":"64 hex digits"}]}

#include <string>
#include <vector>

#include "base/json.hpp"
#include "crypto/digest.hpp"
#include "image/block.hpp"

namespace sealift::image {

constexpr std::size_t kDisksMax = 64;

struct DiskManifest {
  std::string name;  // [a-z0-9._-], 1..63
  std::uint64_t virtual_bytes = 0;
  std::string format;
  crypto::Digest root;
  bool operator==(const DiskManifest&) const = default;
};

struct Manifest {
  std::vector<DiskManifest> disks;  // names differ
  bool operator==(const Manifest&) const = default;
};

Json to_json(const Manifest& manifest);
Result<Manifest> parse_manifest(const Json& json);  // kInvalid names the field
// kCorrupt names the first disk that differs and how. Order of disks counts.
Status compare(const Manifest& theirs, const Manifest& ours);

}  // namespace sealift::image
