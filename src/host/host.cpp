#include "host/host.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "host/impl.hpp"
#include "host/lock_holder.hpp"

namespace sealift::host {

using namespace std::chrono_literals;

std::string_view to_string(VmState state) {
  switch (state) {
    case VmState::kOff: return "off";
    case VmState::kStarting: return "starting";
    case VmState::kRunning: return "running";
    case VmState::kPaused: return "paused";
    case VmState::kFrozen: return "frozen";
    case VmState::kHashing: return "hashing";
  }
  return "off";
}

Host::Host(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Host::~Host() {
  impl_->stopping.stop();
}

Result<std::unique_ptr<Host>> Host::open(HostOptions options) {
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  impl->guest = SEALIFT_TRY(hypervisor::qemu::guest_user(impl->options.config.qemu_user));
  SEALIFT_TRY_STATUS(impl->make_directories());
  impl->inventory = SEALIFT_TRY(Inventory::open(impl->options.state_directory / "journal.db"));
  {
    auto places = impl->places.lock();
    for (PlaceRow& row : SEALIFT_TRY(impl->inventory->places())) {
      const std::string key = row.key;
      places->emplace(key, Place{.row = std::move(row), .machine = {}, .held_by = {}, .busy = {}});
    }
  }
  for (const QuarantineRow& row : SEALIFT_TRY(impl->inventory->quarantine()))
    SEALIFT_TRY_STATUS(impl->finish_renames(row));
  SEALIFT_TRY_STATUS(impl->find_processes());
  impl->sweep_recoveries();
  return std::unique_ptr<Host>(new Host(std::move(impl)));
}

void Host::begin() {
  if (impl_->begun.exchange(true)) return;
  impl_->watcher = std::jthread([self = impl_.get()] { self->watch(self->stopping.token()); });
}

const HostConfig& Host::config() const {
  return impl_->options.config;
}

Status Host::Impl::make_directories() {
  const file::Path& state = options.state_directory;
  for (const file::Path& path : {state / "vms", state / "run", state / "quarantine", state / "pools"})
    SEALIFT_TRY_STATUS(file::make_private_directory(path));
  SEALIFT_TRY_STATUS(file::make_private_directory(state / "pools" / "default"));
  for (const file::Path& path :
       {state, state / "vms", state / "run", state / "pools", state / "pools" / "default"})
    SEALIFT_TRY_STATUS(hypervisor::qemu::let_guest_user_pass(path, guest));
  return {};
}

file::Path Host::Impl::directory_of(const std::string& key) const {
  return options.state_directory / "vms" / key;
}

// Short: a socket's path has 107 bytes at most. 48 bits of the VM's id, 24 of the move's.
file::Path Host::Impl::run_directory_of(const std::string& key) const {
  std::string name = key.substr(0, 8) + key.substr(9, 4);
  if (const std::size_t dot = key.find('.'); dot != std::string::npos) name += "-" + key.substr(dot + 1, 6);
  return options.state_directory / "run" / name;
}

Result<hypervisor::Placement> Host::Impl::placement_of(const PlaceRow& row) const {
  hypervisor::Placement placement;
  placement.vm_id = row.vm.text();
  placement.run_directory = run_directory_of(row.key);
  placement.log_directory = placement.directory = directory_of(row.key);
  placement.disks = row.disks;
  for (const auto& network : row.definition.networks) {
    const auto found = options.config.networks.find(network.name);
    if (found == options.config.networks.end()) {
      return fail(Code::kNotFound,
                  "network {} of VM {} is not mapped on this host: add [networks.{}] to sealift.toml",
                  network.name, row.definition.name, network.name);
    }
    placement.networks.push_back(found->second);
  }
  return placement;
}

VmView Host::Impl::view_of(const Place& place) const {
  VmView view;
  view.id = place.row.vm;
  view.definition = place.row.definition;
  view.directory = directory_of(place.row.key);
  view.machine = place.machine;
  view.note = place.row.note;
  view.progress_percent = place.progress_percent;
  if (!place.held_by.empty()) view.held_by = place.held_by;
  if (const auto placement = placement_of(place.row)) {
    view.placement = *placement;
  } else {
    view.note += (view.note.empty() ? "" : "; ") + placement.error().message;
  }
  if (!place.busy.empty() && place.busy_state != VmState::kRunning) view.state = place.busy_state;
  return view;
}

std::vector<std::string> Host::incoming_moves() {
  std::vector<std::string> moves;
  for (const auto& [key, place] : *impl_->places.lock()) {
    if (!place.row.adopted && !place.row.recovery()) moves.push_back(place.row.move);
  }
  return moves;
}

std::vector<VmView> Host::list() {
  std::vector<VmView> views;
  for (const auto& [key, place] : *impl_->places.lock()) {
    if (place.row.adopted) views.push_back(impl_->view_of(place));
  }
  // The machines are asked without the lock.
  for (VmView& view : views) {
    if (!view.machine || view.state != VmState::kOff) continue;
    switch (view.machine->process_state()) {
      case ProcessState::kGone: break;
      case ProcessState::kStopped: view.state = VmState::kFrozen; break;
      case ProcessState::kRunning: {
        const auto status = view.machine->status(Deadline::in(1s));
        view.state = status && !status->running ? VmState::kPaused : VmState::kRunning;
        if (status && status->state == hypervisor::RunState::kIoError)
          view.note += fmt::format(
              "{}stopped at a write to its disk that failed, nothing is lost: make room in its "
              "pool, then sealift vm start {}",
              view.note.empty() ? "" : "; ", view.definition.name);
        if (!status) view.note += (view.note.empty() ? "" : "; ") + status.error().message;
      }
    }
  }
  std::ranges::sort(views, {}, [](const VmView& view) { return view.definition.name; });
  return views;
}

Result<VmView> Host::find(const std::string& name_or_id) {
  for (VmView& view : list()) {
    if (view.definition.name == name_or_id || view.id.text() == name_or_id) return std::move(view);
  }
  return fail(Code::kNotFound, "there is no VM '{}' on this host (sealift vm list)", name_or_id);
}

Result<std::string> Host::Impl::key_of(const std::string& name_or_id) {
  for (const auto& [key, place] : *places.lock()) {
    if (place.row.adopted && (place.row.definition.name == name_or_id || place.row.vm.text() == name_or_id))
      return key;
  }
  return fail(Code::kNotFound, "there is no VM '{}' on this host (sealift vm list)", name_or_id);
}

Result<std::string> Host::Impl::key_of_vm(const ledger::VmId& vm) {
  return key_of(vm.text());
}

Result<std::string> Host::Impl::key_of_move(const std::string& move) {
  for (const auto& [key, place] : *places.lock()) {
    if (!move.empty() && place.row.move == move) return key;
  }
  return fail(Code::kNotFound, "move {} has no place on this host", move);
}

Result<UniqueFd> Host::Impl::lock_place(const std::string& key) const {
  const file::Path path = directory_of(key) / "lock";
  auto lock = file::lock(path);
  if (lock || lock.error().code != Code::kConflict) return lock;
  const auto holder = lock_holder(path);
  return fail(Code::kConflict, "process {} still has VM {} open: end it first",
              holder ? fmt::format("{}", holder->pid) : "of another namespace", key);
}

void Host::Impl::note(const std::string& key, const std::string& text) {
  if (!text.empty()) log_warning("vm.note", {{"place", key}, {"note", text}});
  const Status kept = inventory->set_note(key, text);
  if (!kept) log_error("journal", {{"why", kept.error().message}});
  auto locked = places.lock();
  if (const auto found = locked->find(key); found != locked->end()) found->second.row.note = text;
}

Host::Impl::Busy::~Busy() {
  if (impl_ == nullptr) return;
  auto locked = impl_->places.lock();
  if (const auto found = locked->find(key_); found != locked->end()) {
    found->second.busy.clear();
    found->second.progress_percent = 0;
  }
}

Result<Host::Impl::Busy> Host::Impl::begin(const std::string& key, const std::string& what, VmState state,
                                           Holder holder) {
  if (holder == Holder::kNobody && !begun)
    return fail(Code::kUnavailable, "the daemon is still starting and nothing was changed: try again");
  auto locked = places.lock();
  const auto found = locked->find(key);
  if (found == locked->end()) return fail(Code::kNotFound, "the VM is gone from this host");
  Place& place = found->second;
  if (!place.busy.empty()) return fail(Code::kConflict, "VM {} is {}", place.row.definition.name, place.busy);
  if (holder == Holder::kNobody && !place.held_by.empty()) {
    return fail(Code::kConflict, "move {} holds VM {}: wait for it, or abort it (sealift moves abort {})",
                place.held_by.substr(0, 8), place.row.definition.name, place.held_by.substr(0, 8));
  }
  place.busy = what;
  place.busy_state = state;
  return Busy(this, key);
}

PlaceRow Host::Impl::row_of(const std::string& key) {
  return places.lock()->at(key).row;
}

std::shared_ptr<hypervisor::Machine> Host::Impl::machine_of(const std::string& key) {
  auto locked = places.lock();
  const auto found = locked->find(key);
  return found == locked->end() ? nullptr : found->second.machine;
}

Status Host::hold(const ledger::VmId& vm, const std::string& move) {
  const std::string key = SEALIFT_TRY(impl_->key_of_vm(vm));
  auto locked = impl_->places.lock();
  Place& place = locked->at(key);
  if (place.held_by == move) return {};
  if (!place.held_by.empty())
    return fail(Code::kConflict, "move {} holds VM {}", place.held_by, place.row.definition.name);
  if (!place.busy.empty()) return fail(Code::kConflict, "VM {} is {}", place.row.definition.name, place.busy);
  place.held_by = move;
  return {};
}

void Host::release(const ledger::VmId& vm, const std::string& move) {
  const auto key = impl_->key_of_vm(vm);
  if (!key) return;
  auto locked = impl_->places.lock();
  const auto found = locked->find(*key);
  if (found != locked->end() && found->second.held_by == move) found->second.held_by.clear();
}

}  // namespace sealift::host
