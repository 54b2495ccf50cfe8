// vm.recover at the new owner: a copy of the VM is brought in under the VM's old id. It is copied, never
// moved: the quarantine entry or the backup stays as it is. Everything before adopt_recovery() can be done
// again.

#include <algorithm>

#include "base/log.hpp"
#include "host/impl.hpp"

namespace sealift::host {

namespace {

constexpr std::string_view kSuffix = ".recover";
constexpr const char* kPromiseFile = "recovery.json";
constexpr const char* kTomlFile = "vm.toml";
constexpr std::size_t kFileBytesMax = 256 * 1024;
constexpr std::size_t kEntryDigitsMin = 4;

std::string move_of(const ledger::VmId& vm) {
  return "recover-" + vm.text();
}

bool is_there(const file::Path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

Result<hypervisor::VmDefinition> read_definition(const file::Path& path) {
  const std::string text = SEALIFT_TRY(file::read_text(path, kFileBytesMax));
  const auto json = json::parse(text, kFileBytesMax);
  if (!json) return because(json.error(), path.string());
  auto definition = hypervisor::from_json(*json);
  if (!definition) return because(definition.error(), path.string());
  return definition;
}

// The disks that have no source yet, by their names, in one of the directories.
Status find_disks(const std::vector<file::Path>& directories, CopySource* copy) {
  auto& sources = copy->parsed.sources.disks;
  sources.resize(copy->parsed.definition.disks.size());
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const hypervisor::DiskDefinition& disk = copy->parsed.definition.disks[i];
    const std::string name = disk_file_name(disk);
    for (const file::Path& directory : directories) {
      if (!sources[i].path.empty() || !is_there(directory / name)) continue;
      sources[i] = {.path = directory / name, .format = disk.format};
    }
    if (sources[i].path.empty() || !is_there(sources[i].path)) {
      return fail(
          Code::kNotFound,
          "the copy in {} has no disk {} ({}): nothing was changed. Put the file there, or name it as the "
          "disk's source in a vm.toml and give that file",
          copy->words, disk.name, sources[i].path.empty() ? name : sources[i].path.string());
    }
  }
  return {};
}

// definition.json and side files in one directory, disks in these.
Result<CopySource> stored_copy(const file::Path& directory, std::vector<file::Path> disks,
                               std::string words) {
  CopySource copy;
  copy.words = std::move(words);
  copy.parsed.definition = SEALIFT_TRY(read_definition(directory / kDefinitionFile));
  if (copy.parsed.definition.has_kernel) copy.parsed.sources.kernel = directory / "kernel";
  if (copy.parsed.definition.has_initrd) copy.parsed.sources.initrd = directory / "initrd";
  if (is_there(directory / "vars.fd")) copy.variables = directory / "vars.fd";
  disks.push_back(directory);
  SEALIFT_TRY_STATUS(find_disks(disks, &copy));
  return copy;
}

}  // namespace

Result<CopySource> Host::Impl::copy_in_quarantine(const QuarantineRow& entry) {
  std::vector<file::Path> directories;
  for (const auto& rename : entry.renames) directories.push_back(rename.to);
  const std::string words = fmt::format("quarantine entry {} ({})", entry.id.substr(0, 12), entry.why);
  for (const file::Path& directory : directories) {
    if (is_there(directory / kDefinitionFile)) return stored_copy(directory, directories, words);
  }
  return fail(
      Code::kNotFound,
      "{} does not say what VM it is (no {}): write a vm.toml that names its disks as sources, and give that",
      words, kDefinitionFile);
}

Result<CopySource> Host::Impl::copy_in_directory(const file::Path& path) {
  std::error_code error;
  const bool directory = std::filesystem::is_directory(path, error);
  if (directory && is_there(path / kDefinitionFile)) return stored_copy(path, {}, path.string());
  const file::Path toml = directory ? path / kTomlFile : path;
  if (!is_there(toml)) {
    return fail(Code::kNotFound, "{} holds neither {} nor {}: nothing was changed", path.string(), kTomlFile,
                kDefinitionFile);
  }
  CopySource copy;
  copy.words = path.string();
  copy.parsed = SEALIFT_TRY(hypervisor::load_definition(toml, *options.random));
  if (is_there(toml.parent_path() / "vars.fd")) copy.variables = toml.parent_path() / "vars.fd";
  SEALIFT_TRY_STATUS(find_disks({toml.parent_path()}, &copy));
  return copy;
}

Result<CopySource> Host::find_copy(const std::string& from) {
  std::vector<QuarantineRow> found;
  for (QuarantineRow& row : SEALIFT_TRY(impl_->inventory->quarantine())) {
    if (row.id == from || (from.size() >= kEntryDigitsMin && row.id.starts_with(from)))
      found.push_back(std::move(row));
  }
  if (found.size() > 1)
    return fail(Code::kConflict, "'{}' means {} entries of the quarantine: give more of it", from,
                found.size());
  if (found.size() == 1) return impl_->copy_in_quarantine(found.front());
  if (is_there(from)) return impl_->copy_in_directory(from);
  return fail(
      Code::kNotFound,
      "there is no copy '{}' on this host: nothing was changed. Give an entry of 'sealift quarantine list', "
      "or a directory or vm.toml of a backup that lies on this host",
      from);
}

Result<crypto::Digest> Host::prepare_recovery(const ledger::VmId& vm, const CopySource& copy,
                                              Deadline deadline, const Stop& stop) {
  SEALIFT_TRY_STATUS(drop_recovery(vm));
  PlaceRow row;
  row.vm = vm;
  row.move = move_of(vm);
  row.key = vm.text() + std::string(kSuffix);
  row.definition = copy.parsed.definition;
  for (const auto& [key, place] : *impl_->places.lock()) {
    if (place.row.vm == vm) {
      return fail(
          Code::kConflict,
          "this host still has a copy of the VM ({}): nothing was changed. Set it aside first (sealift vm "
          "kill, "
          "then sealift vm remove: it goes to quarantine, and can be recovered from there), or end its move",
          place.row.definition.name);
    }
    if (place.row.definition.name == row.definition.name)
      return fail(Code::kConflict, "the name {} is in use on this host: nothing was changed",
                  row.definition.name);
  }
  SEALIFT_TRY_STATUS(impl_->check_runnable(row));

  impl_->erase_files(row);  // of a copy that a crash cut short
  Status made = impl_->make_place(&row, copy.parsed.sources, deadline, stop);
  if (made) made = hypervisor::check_definition(row.definition);
  const file::Path variables = impl_->directory_of(row.key) / "vars.fd";
  if (made && !copy.variables.empty()) made = file::remove_tree(variables);
  if (made && !copy.variables.empty()) made = copy_durably(copy.variables, variables);
  crypto::Digest root;
  if (made) {
    if (const auto hashed = impl_->disks_root(row, kKeptTables, stop)) {
      root = *hashed;
    } else {
      made = std::unexpected(hashed.error());
    }
  }
  if (made) made = impl_->inventory->insert(row);
  if (!made) {
    impl_->erase_files(row);
    return because(
        made.error(),
        fmt::format("the copy in {} could not be brought in, nothing is left of it here", copy.words));
  }
  impl_->places.lock()->emplace(row.key, Place{.row = row, .machine = {}, .held_by = row.move, .busy = {}});
  return root;
}

Status Host::promise_recovery(const PreparedCopy& copy) {
  const std::string key = SEALIFT_TRY(impl_->key_of_move(move_of(copy.vm)));
  const Json json = {{"epoch", copy.epoch.value}, {"root", copy.root.hex()}, {"accepted", copy.accepted}};
  return file::write_atomic(impl_->directory_of(key) / kPromiseFile, std::string_view(json::dump(json)));
}

std::optional<PreparedCopy> Host::Impl::prepared(const PlaceRow& row) const {
  const auto text = file::read_text(directory_of(row.key) / kPromiseFile, kFileBytesMax);
  if (!text) return std::nullopt;
  const auto json = json::parse(*text, kFileBytesMax);
  if (!json) return std::nullopt;
  const auto epoch = json::number(*json, "epoch");
  const auto root = json::text(*json, "root");
  const auto digest =
      root ? crypto::Digest::from_hex(*root) : Result<crypto::Digest>(std::unexpected(root.error()));
  if (!epoch || !digest) return std::nullopt;
  return PreparedCopy{.vm = row.vm,
                      .epoch = {*epoch},
                      .root = *digest,
                      .accepted = json::text(*json, "accepted").value_or("")};
}

std::vector<PreparedCopy> Host::prepared_recoveries() {
  std::vector<PlaceRow> rows;
  for (const auto& [key, place] : *impl_->places.lock()) {
    if (place.row.recovery() && !place.row.adopted) rows.push_back(place.row);
  }
  std::vector<PreparedCopy> copies;
  for (const PlaceRow& row : rows) {
    if (auto copy = impl_->prepared(row)) copies.push_back(std::move(*copy));
  }
  return copies;
}

Status Host::adopt_recovery(const ledger::VmId& vm) {
  const std::string key = SEALIFT_TRY(impl_->key_of_move(move_of(vm)));
  SEALIFT_TRY_STATUS(impl_->inventory->set_adopted(key));
  auto locked = impl_->places.lock();
  Place& place = locked->at(key);
  place.row.adopted = true;
  place.held_by.clear();
  log_info("vm.recovered", {{"vm", place.row.definition.name}, {"id", vm.text()}});
  return {};
}

Status Host::drop_recovery(const ledger::VmId& vm) {
  const auto key = impl_->key_of_move(move_of(vm));
  if (!key) return {};
  const auto busy = SEALIFT_TRY(impl_->begin(*key, "being erased", VmState::kOff, Impl::Holder::kAnybody));
  const PlaceRow row = impl_->row_of(*key);
  if (row.adopted) return fail(Code::kConflict, "VM {} is this host's already", row.definition.name);
  SEALIFT_TRY_STATUS(impl_->inventory->remove(*key));
  impl_->erase_files(row);
  impl_->places.lock()->erase(*key);
  return {};
}

// At the daemon's start: what was not whole yet when the last one ended.
void Host::Impl::sweep_recoveries() {
  std::vector<PlaceRow> half;
  std::vector<std::string> known;
  for (const auto& [key, place] : *places.lock()) {
    known.push_back(key);
    if (place.row.recovery() && !place.row.adopted && !prepared(place.row)) half.push_back(place.row);
  }
  for (const PlaceRow& row : half) {
    if (!inventory->remove(row.key)) continue;
    erase_files(row);
    places.lock()->erase(row.key);
  }
  std::vector<file::Path> folders{options.state_directory / "vms"};
  for (const auto& [name, path] : options.config.pools) folders.push_back(path);
  for (const file::Path& folder : folders) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      if (!name.ends_with(kSuffix) || std::ranges::find(known, name) != known.end()) continue;
      if (const Status gone = file::remove_tree(entry.path()); !gone)
        log_warning("vm.erase", {{"path", entry.path().string()}, {"why", gone.error().message}});
    }
  }
}

}  // namespace sealift::host
