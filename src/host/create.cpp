// Making a VM's place: directories, disks, side files.

#include <fcntl.h>

#include <algorithm>

#include "base/log.hpp"
#include "host/impl.hpp"
#include "image/qemu_img.hpp"

namespace sealift::host {

using hypervisor::DiskDefinition;
using hypervisor::DiskSource;

namespace {

const file::Path kVarsTemplate = "/usr/share/OVMF/OVMF_VARS_4M.fd";

Status run_tool(const std::vector<std::string>& argv, Deadline deadline, const Stop& stop) {
  const auto output = SEALIFT_TRY(process::run(argv, 4096, deadline, stop));
  if (output.exit.code == 0 && output.exit.signal == 0) return {};
  const bool full = output.text.find("No space left") != std::string::npos;
  return fail(full ? Code::kExhausted : Code::kIo, "{}: {}", argv[0], output.text);
}

// An image that nobody vouches for: its header is read by our own decoder, and one that names other files is
// refused before qemu-img sees it.
Status import_disk(const DiskSource& source, const file::Path& to, DiskDefinition* disk, Deadline deadline,
                   const Stop& stop) {
  const std::string from_format(to_string(source.format));
  const auto info = image::inspect(source.path, from_format);
  if (!info) return because(info.error(), fmt::format("disk {}: source", disk->name));
  if (!info->backing.empty() || info->external_data || info->encrypted) {
    return fail(Code::kRefused, "disk {}: {} needs {}: make a whole image first (qemu-img convert)",
                disk->name, source.path.string(), info->encrypted ? "a key" : "another file");
  }
  if (disk->size_bytes == 0) disk->size_bytes = (info->virtual_bytes + 1023) / 1024 * 1024;
  if (disk->size_bytes < info->virtual_bytes) {
    return fail(Code::kInvalid, "disk {}: size is smaller than its source ({} bytes)", disk->name,
                info->virtual_bytes);
  }
  const std::string format(to_string(disk->format));
  SEALIFT_TRY_STATUS(
      run_tool({"qemu-img", "convert", "-f", from_format, "-O", format, source.path.string(), to.string()},
               deadline, stop));
  if (disk->size_bytes > info->virtual_bytes) {
    SEALIFT_TRY_STATUS(
        run_tool({"qemu-img", "resize", "-q", "-f", format, to.string(), fmt::format("{}", disk->size_bytes)},
                 deadline, stop));
  }
  const UniqueFd fd = SEALIFT_TRY(file::open(to, O_RDWR));
  return file::sync(fd.get(), to);
}

}  // namespace

Status copy_durably(const file::Path& from, const file::Path& to) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(from, error))
    return fail(Code::kNotFound, "{}: there is no such file", from.string());
  std::filesystem::copy_file(from, to, error);
  if (error)
    return fail(error == std::errc::no_space_on_device ? Code::kExhausted : Code::kIo, "copy {} to {}: {}",
                from.string(), to.string(), error.message());
  std::filesystem::permissions(to, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write,
                               error);
  const UniqueFd fd = SEALIFT_TRY(file::open(to, O_RDWR));
  return file::sync(fd.get(), to);
}

file::Path Host::Impl::pool_directory(const std::string& pool, const std::string& key) const {
  return options.config.pools.at(pool) / key;
}

Status Host::Impl::make_pool_directory(const std::string& pool, const std::string& key) const {
  const auto found = options.config.pools.find(pool);
  if (found == options.config.pools.end())
    return fail(Code::kNotFound, "there is no pool {} on this host: add [pools.{}] to sealift.toml", pool,
                pool);
  std::error_code error;
  if (!std::filesystem::is_directory(found->second, error))
    return fail(Code::kNotFound, "pool {}: {} is no directory", pool, found->second.string());
  const file::Path directory = found->second / key;
  SEALIFT_TRY_STATUS(file::make_private_directory(directory));
  return hypervisor::qemu::let_guest_user_pass(directory, guest);
}

std::string disk_file_name(const DiskDefinition& disk) {
  return fmt::format("{}.{}", disk.name, to_string(disk.format));
}

Status Host::Impl::check_runnable(const PlaceRow& row) const {
  if (options.hypervisor == nullptr)
    return fail(Code::kUnsupported, "this host is a witness: it holds no VMs");
  const auto problems = hypervisor::problems_running(row.definition, options.hypervisor->facts());
  if (!problems.empty()) return fail(Code::kUnsupported, "VM {}: {}", row.definition.name, problems.front());
  const auto placed = placement_of(row);
  if (!placed) return std::unexpected(placed.error());
  return {};
}

// Everything of a new place but its row; erase_files() takes all of it away again.
Status Host::Impl::make_place(PlaceRow* row, const hypervisor::VmSources& sources, Deadline deadline,
                              const Stop& stop) {
  const file::Path directory = directory_of(row->key);
  SEALIFT_TRY_STATUS(file::make_private_directory(directory));
  SEALIFT_TRY_STATUS(hypervisor::qemu::let_guest_user_pass(directory, guest));
  for (std::size_t i = 0; i < row->definition.disks.size(); ++i) {
    DiskDefinition& disk = row->definition.disks[i];
    SEALIFT_TRY_STATUS(make_pool_directory(disk.pool, row->key));
    const file::Path path = pool_directory(disk.pool, row->key) / disk_file_name(disk);
    if (i < sources.disks.size() && !sources.disks[i].path.empty()) {
      SEALIFT_TRY_STATUS(import_disk(sources.disks[i], path, &disk, deadline, stop));
    } else {
      SEALIFT_TRY_STATUS(
          image::create(path, std::string(to_string(disk.format)), disk.size_bytes, deadline, stop));
    }
    row->disks.push_back(path);
    // From the start QEMU's user's, as qemu-nbd runs as it too: a VM that never ran can be moved.
    SEALIFT_TRY_STATUS(hypervisor::qemu::give_to_guest_user(path, guest));
    SEALIFT_TRY_STATUS(file::sync_directory(path.parent_path()));
  }
  if (row->definition.firmware == hypervisor::Firmware::kUefi)
    SEALIFT_TRY_STATUS(copy_durably(kVarsTemplate, directory / "vars.fd"));
  if (row->definition.has_kernel) SEALIFT_TRY_STATUS(copy_durably(sources.kernel, directory / "kernel"));
  if (row->definition.has_initrd) SEALIFT_TRY_STATUS(copy_durably(sources.initrd, directory / "initrd"));
  return file::sync_directory(directory);
}

void Host::Impl::erase_files(const PlaceRow& row) {
  std::vector<file::Path> trees{directory_of(row.key), run_directory_of(row.key)};
  for (const DiskDefinition& disk : row.definition.disks) {
    if (options.config.pools.contains(disk.pool)) trees.push_back(pool_directory(disk.pool, row.key));
  }
  for (const file::Path& tree : trees) {
    const Status removed = file::remove_tree(tree);
    if (!removed) log_warning("vm.erase", {{"path", tree.string()}, {"why", removed.error().message}});
  }
}

Result<VmView> Host::create(const hypervisor::ParsedDefinition& parsed, Deadline deadline, const Stop& stop) {
  PlaceRow row;
  row.vm = ledger::VmId::make(*impl_->options.random);
  row.key = row.vm.text();
  row.adopted = true;
  row.definition = parsed.definition;
  for (const auto& [key, place] : *impl_->places.lock()) {
    if (place.row.definition.name == row.definition.name)
      return fail(Code::kConflict, "the name {} is in use on this host", row.definition.name);
  }
  SEALIFT_TRY_STATUS(impl_->check_runnable(row));

  Status made = impl_->make_place(&row, parsed.sources, deadline, stop);
  if (made) made = hypervisor::check_definition(row.definition);
  if (made) made = impl_->inventory->insert(row);
  if (!made) {
    impl_->erase_files(row);
    return because(made.error(),
                   fmt::format("VM {} was not created, nothing is left of it", row.definition.name));
  }
  impl_->places.lock()->emplace(row.key, Place{.row = row, .machine = {}, .held_by = {}, .busy = {}});
  const Status registered = impl_->options.records->registered(
      row.vm, crypto::sha256(hypervisor::canonical_bytes(row.definition)), deadline, stop);
  if (!registered && registered.error().code == Code::kRefused) {
    impl_->places.lock()->erase(row.key);
    static_cast<void>(impl_->inventory->remove(row.key));
    impl_->erase_files(row);
    return because(registered.error(), "the ledger does not take the VM, nothing is left of it");
  }
  // Anything else is unknown, not refused: the VM stays, and its first start asks again.
  if (!registered) impl_->note(row.key, "not yet in the ledger: " + registered.error().message);
  log_info("vm.created", {{"vm", row.definition.name}, {"id", row.vm.text()}});
  return find(row.vm.text());
}

Status Host::remove(const std::string& name_or_id, Deadline deadline, const Stop& stop) {
  const std::string key = SEALIFT_TRY(impl_->key_of(name_or_id));
  const auto busy = SEALIFT_TRY(impl_->begin(key, "being removed", VmState::kOff, Impl::Holder::kNobody));
  const auto machine = impl_->machine_of(key);
  if (machine && machine->process_state() != ProcessState::kGone)
    return fail(Code::kConflict,
                "VM {} is on: end it first (sealift vm stop {}; when it is frozen: sealift vm kill {})",
                name_or_id, name_or_id, name_or_id);
  const PlaceRow row = impl_->row_of(key);
  if (impl_->places.lock()->at(key).foreign) {
    const std::int64_t now = impl_->options.clock->wall().time_since_epoch().count();
    SEALIFT_TRY_STATUS(
        impl_->to_quarantine(key, fmt::format("lost-{}-{}", row.vm.text(), now), "recovered elsewhere"));
    return {};
  }
  SEALIFT_TRY_STATUS(impl_->options.records->retired(row.vm, "removed", deadline, stop));
  SEALIFT_TRY_STATUS(impl_->to_quarantine(key, "removed-" + row.vm.text(), "removed"));
  return {};
}

}  // namespace sealift::host
