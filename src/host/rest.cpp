// Disks at rest: their root recorded when a VM has powered off, checked before it starts.

#include <algorithm>

#include "base/log.hpp"
#include "host/impl.hpp"
#include "image/hash_disk.hpp"
#include "image/open_image.hpp"
#include "ledger/seal.hpp"

namespace sealift::host {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kLeavesNamedMax = 8;

Result<image::OpenImage> open_disk(const Host::Impl& impl, const PlaceRow& row, std::size_t index,
                                   const Stop& stop) {
  const file::Path run = impl.run_directory_of(row.key);
  const hypervisor::DiskFormat format = row.definition.disks[index].format;
  if (format != hypervisor::DiskFormat::kRaw) {  // a qemu-nbd reads it
    SEALIFT_TRY_STATUS(file::make_private_directory(run));
    SEALIFT_TRY_STATUS(hypervisor::qemu::give_to_guest_user(run, impl.guest));
    SEALIFT_TRY_STATUS(hypervisor::qemu::give_to_guest_user(row.disks[index], impl.guest));
  }
  return image::OpenImage::open({.image = row.disks[index],
                                 .format = std::string(to_string(format)),
                                 .access = image::Access::kReadOnly,
                                 .socket = run / "rest",
                                 .log = impl.directory_of(row.key) / "rest.log",
                                 .connections = 4,
                                 .drop_to = impl.guest},
                                Deadline::in(30s), stop);
}

file::Path table_path(const Host::Impl& impl, const PlaceRow& row, std::size_t index,
                      std::string_view tables) {
  return impl.directory_of(row.key) / (row.definition.disks[index].name + std::string(tables));
}

ledger::SealPart part_of(const PlaceRow& row, std::size_t index, const crypto::Digest& root) {
  const auto& disk = row.definition.disks[index];
  return {"disk/" + disk.name, "blake3-leaves-256k", disk.size_bytes, root};
}

}  // namespace

void Host::Impl::show_progress(const PlaceRow& row, std::size_t disk, std::uint64_t done, std::uint64_t all) {
  auto locked = places.lock();
  const auto found = locked->find(row.key);
  if (found == locked->end() || all == 0) return;
  found->second.progress_percent =
      static_cast<std::uint32_t>((disk * 100 + done * 100 / all) / row.disks.size());
}

// Every disk is read whole.
Result<crypto::Digest> Host::Impl::disks_root(const PlaceRow& row, std::string_view tables,
                                              const Stop& stop) {
  std::vector<ledger::SealPart> parts;
  for (std::size_t i = 0; i < row.disks.size(); ++i) {
    const image::OpenImage disk = SEALIFT_TRY(open_disk(*this, row, i, stop));
    const file::Path path = table_path(*this, row, i, tables);
    SEALIFT_TRY_STATUS(file::remove_tree(path));
    const auto table = SEALIFT_TRY(image::LeafTable::open(path, row.definition.disks[i].size_bytes));
    const auto progress = [&](std::uint64_t done, std::uint64_t all) { show_progress(row, i, done, all); };
    const crypto::Digest root = SEALIFT_TRY(
        image::hash_disk(*disk.source(), *table, {.threads = 2, .stop = stop, .progress = progress}));
    SEALIFT_TRY_STATUS(table->sync());
    parts.push_back(part_of(row, i, root));
  }
  return ledger::disks_root(parts);
}

// Only what the guest wrote is read; the tables say the rest.
Result<crypto::Digest> Host::Impl::changed_root(const PlaceRow& row, const ChangedLeaves& changed,
                                                const Stop& stop) {
  std::vector<ledger::SealPart> parts;
  for (std::size_t i = 0; i < row.disks.size(); ++i) {
    const std::uint64_t bytes = row.definition.disks[i].size_bytes;
    const auto table = SEALIFT_TRY(image::LeafTable::open(table_path(*this, row, i, kKeptTables), bytes));
    table->trust_claims();
    const image::OpenImage disk = SEALIFT_TRY(open_disk(*this, row, i, stop));
    Bytes scratch(image::kLeafBytes);
    for (std::size_t at = 0; at < changed[i].size(); ++at) {
      if (stop.stopped()) return fail(Code::kCancelled, "stopped while reading the disk");
      const std::uint64_t leaf = changed[i][at];
      const MutableByteView content = MutableByteView(scratch).first(image::leaf_length(bytes, leaf));
      SEALIFT_TRY_STATUS(disk.source()->read(leaf * image::kLeafBytes, content));
      table->set(leaf, crypto::blake3(content));
      show_progress(row, i, at + 1, changed[i].size());
    }
    SEALIFT_TRY_STATUS(table->sync());
    parts.push_back(part_of(row, i, SEALIFT_TRY(table->root())));
  }
  return ledger::disks_root(parts);
}

// The fresh tables are those of the rest that counts from now on.
Status Host::Impl::keep_tables(const PlaceRow& row) {
  for (std::size_t i = 0; i < row.disks.size(); ++i)
    SEALIFT_TRY_STATUS(file::rename_durable(table_path(*this, row, i, kFreshTables),
                                            table_path(*this, row, i, kKeptTables)));
  return {};
}

// Compares the fresh tables with those of the last rest, to say which leaves differ.
Result<std::string> Host::Impl::describe_difference(const PlaceRow& row) {
  std::string text;
  for (std::size_t i = 0; i < row.disks.size(); ++i) {
    const std::uint64_t bytes = row.definition.disks[i].size_bytes;
    const auto kept = SEALIFT_TRY(image::LeafTable::open(table_path(*this, row, i, kKeptTables), bytes));
    const auto now = SEALIFT_TRY(image::LeafTable::open(table_path(*this, row, i, kFreshTables), bytes));
    std::size_t differ = 0;
    std::string leaves;
    for (std::uint64_t leaf = 0; leaf < now->leaves(); ++leaf) {
      if (kept->claimed(leaf) == now->claimed(leaf)) continue;
      if (++differ <= kLeavesNamedMax) leaves += fmt::format("{}{}", leaves.empty() ? "" : ", ", leaf);
    }
    if (differ == 0) continue;
    if (differ > kLeavesNamedMax) leaves += ", …";
    text += fmt::format("{}disk {}: {} leaves of 256 KiB differ ({})", text.empty() ? "" : "; ",
                        row.definition.disks[i].name, differ, leaves);
  }
  return text;
}

Result<std::optional<crypto::Digest>> Host::Impl::check_rest(const PlaceRow& row,
                                                             const StartOptions& start_options,
                                                             const Stop& stop) {
  const auto rest = options.records->rest_root(row.vm);
  if (!rest) return std::optional<crypto::Digest>();
  const UniqueFd lock = SEALIFT_TRY(lock_place(row.key));
  places.lock()->at(row.key).busy_state = VmState::kHashing;
  const crypto::Digest root = SEALIFT_TRY(disks_root(row, kFreshTables, stop));
  if (root != *rest) {
    if (start_options.accept_changes.empty()) {
      const auto difference = describe_difference(row);
      return fail(
          Code::kCorrupt,
          "VM {} was not started: its disks were altered or rolled back while it was off: {}. If that was on "
          "purpose: start it with --accept-changes REASON, which is recorded",
          row.definition.name,
          difference && !difference->empty() ? *difference : "they do not have the recorded root");
    }
    SEALIFT_TRY_STATUS(options.records->rested(row.vm, root, start_options.accept_changes));
  }
  SEALIFT_TRY_STATUS(keep_tables(row));
  return std::optional(root);
}

void Host::Impl::record_rest(const std::string& key, const std::optional<ChangedLeaves>& changed,
                             const Stop& stop) {
  const PlaceRow row = row_of(key);
  if (row.definition.at_rest != hypervisor::AtRest::kSealed) return;
  const auto rest = [&]() -> Status {
    const UniqueFd lock = SEALIFT_TRY(lock_place(key));
    places.lock()->at(key).busy_state = VmState::kHashing;
    const crypto::Digest root =
        SEALIFT_TRY(changed ? changed_root(row, *changed, stop) : disks_root(row, kKeptTables, stop));
    std::size_t leaves = 0;
    for (const auto& disk : changed.value_or(ChangedLeaves{})) leaves += disk.size();
    log_info("vm.rest",
             {{"vm", row.definition.name}, {"read", changed ? fmt::format("{} leaves", leaves) : "all"}});
    return options.records->rested(row.vm, root, "");
  }();
  if (rest) return;
  note(key,
       "at_rest: its disks' root was not recorded, the next start is unverified: " + rest.error().message);
}

}  // namespace sealift::host
