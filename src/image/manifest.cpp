#include "image/manifest.hpp"

#include <algorithm>
#include <set>

namespace sealift::image {

namespace {

constexpr std::string_view kDigestName = "blake3";

bool valid_disk_name(std::string_view name) {
  return !name.empty() && name.size() <= 63 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

Result<DiskManifest> parse_disk(const Json& entry) {
  DiskManifest disk;
  disk.name = SEALIFT_TRY(json::text(entry, "name"));
  if (!valid_disk_name(disk.name)) return fail(Code::kInvalid, "field 'name' is no disk name");
  disk.virtual_bytes = SEALIFT_TRY(json::number(entry, "virtual_bytes"));
  SEALIFT_TRY_STATUS(check_disk_size(disk.virtual_bytes));
  disk.format = SEALIFT_TRY(json::text(entry, "format"));
  if (disk.format.empty() || disk.format.size() > 16)
    return fail(Code::kInvalid, "field 'format' is no format");
  if (SEALIFT_TRY(json::number(entry, "leaf_bytes")) != kLeafBytes) {
    return fail(Code::kUnsupported, "disk {}: leaves of another size than {}", disk.name, kLeafBytes);
  }
  if (SEALIFT_TRY(json::text(entry, "digest")) != kDigestName) {
    return fail(Code::kUnsupported, "disk {}: another digest than {}", disk.name, kDigestName);
  }
  disk.root = SEALIFT_TRY(json::id<crypto::Digest>(entry, "root"));
  return disk;
}

}  // namespace

Json to_json(const Manifest& manifest) {
  Json disks = Json::array();
  for (const DiskManifest& disk : manifest.disks) {
    disks.push_back({{"name", disk.name},
                     {"virtual_bytes", disk.virtual_bytes},
                     {"format", disk.format},
                     {"leaf_bytes", kLeafBytes},
                     {"digest", kDigestName},
                     {"root", disk.root.hex()}});
  }
  return Json{{"disks", std::move(disks)}};
}

Result<Manifest> parse_manifest(const Json& json) {
  const Json disks = SEALIFT_TRY(json::array(json, "disks"));
  if (disks.size() > kDisksMax) {
    return fail(Code::kInvalid, "field 'disks' has {} entries, at most {} are allowed", disks.size(),
                kDisksMax);
  }
  Manifest manifest;
  std::set<std::string> names;
  for (const Json& entry : disks) {
    auto disk = parse_disk(entry);
    if (!disk) return because(disk.error(), fmt::format("field 'disks', entry {}", manifest.disks.size()));
    if (!names.insert(disk->name).second) return fail(Code::kInvalid, "disk {} is named twice", disk->name);
    manifest.disks.push_back(std::move(*disk));
  }
  return manifest;
}

Status compare(const Manifest& theirs, const Manifest& ours) {
  if (theirs.disks.size() != ours.disks.size()) {
    return fail(Code::kCorrupt, "{} disks were sealed, {} are here", theirs.disks.size(), ours.disks.size());
  }
  for (std::size_t i = 0; i < ours.disks.size(); ++i) {
    const DiskManifest& sealed = theirs.disks[i];
    const DiskManifest& here = ours.disks[i];
    if (sealed.name != here.name) {
      return fail(Code::kCorrupt, "disk {} was sealed as {}, here it is {}", i, sealed.name, here.name);
    }
    if (sealed.virtual_bytes != here.virtual_bytes) {
      return fail(Code::kCorrupt, "disk {}: {} bytes were sealed, {} are here", here.name,
                  sealed.virtual_bytes, here.virtual_bytes);
    }
    if (sealed.root != here.root) {
      return fail(Code::kCorrupt, "disk {}: root {} was sealed, the disk here has {}", here.name,
                  sealed.root.hex(), here.root.hex());
    }
  }
  return {};
}

}  // namespace sealift::image
