// Disks of VMs that left: renamed out of the way, read-only, kept until a date, then erased.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/log.hpp"
#include "host/impl.hpp"

namespace sealift::host {

namespace {

// Only the daemon's own user may read it, nobody writes.
void make_read_only(const file::Path& tree) {
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(tree, error)) {
    if (!entry.is_regular_file(error)) continue;
    if (::geteuid() == 0) [[maybe_unused]]
      const int owned = ::lchown(entry.path().c_str(), 0, 0);
    ::chmod(entry.path().c_str(), 0400);
  }
  ::chmod(tree.c_str(), 0700);
}

std::uint64_t allocated_bytes(const file::Path& tree) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(tree, error)) {
    struct stat info{};
    if (::lstat(entry.path().c_str(), &info) == 0 && S_ISREG(info.st_mode))
      bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  return bytes;
}

}  // namespace

// The journal first: from that transaction on the VM is not startable, and open() completes the renames.
Result<WallTime> Host::Impl::to_quarantine(const std::string& key, const std::string& entry,
                                           const std::string& why) {
  const PlaceRow row = row_of(key);
  const auto machine = machine_of(key);
  if (machine && machine->process_state() != ProcessState::kGone)
    return fail(Code::kConflict, "VM {} still has a process: it is not put into quarantine",
                row.definition.name);
  const UniqueFd lock = SEALIFT_TRY(lock_place(key));
  const std::int64_t now = options.clock->wall().time_since_epoch().count();
  QuarantineRow quarantined{.id = entry,
                            .vm = row.vm,
                            .name = row.definition.name,
                            .why = why,
                            .since_ms = now,
                            .until_ms = now + std::int64_t{options.config.quarantine_days} * 86'400'000,
                            .renames = {}};
  quarantined.renames.push_back({directory_of(key), options.state_directory / "quarantine" / entry});
  std::set<file::Path> pools;
  for (const file::Path& disk : row.disks) pools.insert(disk.parent_path());
  for (const file::Path& directory : pools)
    quarantined.renames.push_back({directory, directory.parent_path() / ".quarantine" / entry});
  // What the disks belong to: a copy that can be recovered from names itself.
  SEALIFT_TRY_STATUS(file::write_atomic(directory_of(key) / kDefinitionFile,
                                        std::string_view(json::dump(hypervisor::to_json(row.definition)))));
  SEALIFT_TRY_STATUS(inventory->move_to_quarantine(key, quarantined));
  places.lock()->erase(key);
  SEALIFT_TRY_STATUS(finish_renames(quarantined));
  static_cast<void>(file::remove_tree(run_directory_of(key)));
  log_info("vm.quarantined", {{"vm", row.definition.name}, {"entry", entry}, {"why", why}});
  return WallTime(Milliseconds(quarantined.until_ms));
}

Status Host::Impl::finish_renames(const QuarantineRow& row) {
  for (const auto& [from, to] : row.renames) {
    std::error_code error;
    if (!std::filesystem::exists(from, error)) continue;
    SEALIFT_TRY_STATUS(file::make_private_directory(to.parent_path()));
    make_read_only(from);
    SEALIFT_TRY_STATUS(file::rename_durable(from, to));
  }
  return {};
}

Result<WallTime> Host::quarantine(const ledger::VmId& vm, const std::string& move, const std::string& why) {
  for (const QuarantineRow& row : SEALIFT_TRY(impl_->inventory->quarantine())) {
    if (row.id != move) continue;
    SEALIFT_TRY_STATUS(impl_->finish_renames(row));
    return WallTime(Milliseconds(row.until_ms));
  }
  const std::string key = SEALIFT_TRY(impl_->key_of_vm(vm));
  const auto busy = SEALIFT_TRY(impl_->begin(key, "leaving", VmState::kOff, Impl::Holder::kAnybody));
  return impl_->to_quarantine(key, move, why);
}

Status Host::quarantine_incoming(const std::string& move, const std::string& why) {
  const auto key = impl_->key_of_move(move);
  if (!key) return {};
  const auto busy = SEALIFT_TRY(impl_->begin(*key, "leaving", VmState::kOff, Impl::Holder::kAnybody));
  if (const auto machine = impl_->machine_of(*key)) {
    using namespace std::chrono_literals;
    SEALIFT_TRY_STATUS(machine->kill(Deadline::in(10s)));
  }
  SEALIFT_TRY_STATUS(impl_->to_quarantine(*key, move, why));
  return {};
}

std::vector<QuarantineEntry> Host::quarantine_list() {
  std::vector<QuarantineEntry> out;
  const auto rows = impl_->inventory->quarantine();
  if (!rows) {
    log_error("journal", {{"why", rows.error().message}});
    return out;
  }
  for (const QuarantineRow& row : *rows) {
    QuarantineEntry entry{.id = row.id,
                          .vm = row.vm,
                          .name = row.name,
                          .why = row.why,
                          .since = WallTime(Milliseconds(row.since_ms)),
                          .until = WallTime(Milliseconds(row.until_ms)),
                          .bytes = 0,
                          .paths = {}};
    for (const auto& rename : row.renames) {
      entry.paths.push_back(rename.to);
      entry.bytes += allocated_bytes(rename.to);
    }
    out.push_back(std::move(entry));
  }
  return out;
}

std::vector<KeptDisk> Host::newest_copy(const ledger::VmId& vm) {
  auto rows = impl_->inventory->quarantine();
  if (!rows) {
    log_error("journal", {{"why", rows.error().message}});
    return {};
  }
  std::ranges::sort(*rows, std::ranges::greater(), &QuarantineRow::since_ms);
  for (const QuarantineRow& row : *rows) {
    if (row.vm != vm) continue;
    const auto copy = impl_->copy_in_quarantine(row);
    if (!copy) {
      log_info("quarantine.not_whole", {{"entry", row.id}, {"why", copy.error().message}});
      continue;
    }
    std::vector<KeptDisk> disks;
    for (std::size_t i = 0; i < copy->parsed.definition.disks.size(); ++i) {
      const hypervisor::DiskSource& source = copy->parsed.sources.disks[i];
      disks.push_back({copy->parsed.definition.disks[i].name, source.format, source.path});
    }
    return disks;
  }
  return {};
}

// By its id or, where that is only one, by its first digits.
Status Host::purge(const std::string& entry_id) {
  std::vector<QuarantineRow> found;
  for (QuarantineRow& row : SEALIFT_TRY(impl_->inventory->quarantine())) {
    if (row.id == entry_id || (!entry_id.empty() && row.id.starts_with(entry_id)))
      found.push_back(std::move(row));
  }
  if (found.empty())
    return fail(Code::kNotFound, "there is no '{}' in quarantine (sealift quarantine list)", entry_id);
  if (found.size() > 1)
    return fail(Code::kConflict, "'{}' means {} entries of the quarantine: give more of it", entry_id,
                found.size());
  for (const auto& rename : found.front().renames) SEALIFT_TRY_STATUS(file::remove_tree(rename.to));
  return impl_->inventory->remove_quarantine(found.front().id);
}

std::size_t Host::purge_expired() {
  std::size_t count = 0;
  const WallTime now = impl_->options.clock->wall();
  for (const QuarantineEntry& entry : quarantine_list()) {
    if (entry.until > now) continue;
    const Status purged = purge(entry.id);
    if (purged) ++count;
    log_info("quarantine.purged", {{"entry", entry.id}, {"done", purged.has_value()}});
  }
  return count;
}

}  // namespace sealift::host
