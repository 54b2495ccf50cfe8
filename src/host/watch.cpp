// Processes of VMs: found again after a restart of the daemon, watched for their end, fenced.

#include <unistd.h>

#include "base/log.hpp"
#include "host/impl.hpp"
#include "host/lock_holder.hpp"

namespace sealift::host {

using namespace std::chrono_literals;

namespace {

constexpr Milliseconds kWatchEvery{300};
constexpr std::uint64_t kSerialLogMax = 64U << 20;

}  // namespace

Status Host::Impl::find_processes() {
  std::vector<std::string> keys;
  for (const auto& [key, place] : *places.lock()) keys.push_back(key);
  if (options.hypervisor == nullptr) return {};
  for (const std::string& key : keys) find_process(key);
  return {};
}

// By the journal; where that knows nothing (the daemon ended between start and entry), by the lock.
void Host::Impl::find_process(const std::string& key) {
  const PlaceRow row = row_of(key);
  auto process = row.process;
  if (!process || process::state(*process) == ProcessState::kGone)
    process = lock_holder(directory_of(key) / "lock");
  if (!process) {
    if (row.process) static_cast<void>(inventory->set_process(key, std::nullopt));
    if (row.process) log_warning("vm.gone", {{"vm", row.definition.name}, {"pid", row.process->pid}});
    places.lock()->at(key).row.process.reset();
    return;
  }
  const auto placement = placement_of(row);
  auto machine = placement
                     ? options.hypervisor->adopt(row.definition, *placement, *process, Deadline::in(10s))
                     : Result<std::unique_ptr<hypervisor::Machine>>(std::unexpected(placement.error()));
  if (!machine) {
    note(key, "its process was found but does not answer: " + machine.error().message);
    return;
  }
  log_info("vm.found", {{"vm", row.definition.name},
                        {"pid", process->pid},
                        {"frozen", (*machine)->process_state() == ProcessState::kStopped}});
  if (row.process != process) static_cast<void>(inventory->set_process(key, process));
  auto locked = places.lock();
  locked->at(key).row.process = process;
  locked->at(key).machine = std::move(*machine);
}

void Host::Impl::watch(const Stop& stop) {
  while (!stop.sleep(kWatchEvery)) watch_once();
}

void Host::Impl::watch_once() {
  std::vector<std::string> gone;
  std::vector<std::pair<PlaceRow, std::shared_ptr<hypervisor::Machine>>> sealed;
  for (const auto& [key, place] : *places.lock()) {
    if (!place.machine || !place.busy.empty() || !place.held_by.empty() || !place.row.adopted) continue;
    if (place.machine->process_state() == ProcessState::kGone) gone.push_back(key);
    if (place.row.definition.at_rest == hypervisor::AtRest::kSealed)
      sealed.emplace_back(place.row, place.machine);
    std::error_code error;
    const file::Path serial = directory_of(key) / "serial.log";
    // QEMU appends: cut to nothing, it goes on from the start.
    if (std::filesystem::file_size(serial, error) > kSerialLogMax && !error) [[maybe_unused]]
      const int cut = ::truncate(serial.c_str(), 0);
  }
  for (const auto& [row, machine] : sealed) end_if_powered_off(row, *machine);
  for (const std::string& key : gone) {
    auto busy = begin(key, "powering off", VmState::kHashing, Holder::kNobody);
    if (!busy) continue;
    const auto machine = machine_of(key);
    if (machine && machine->process_state() == ProcessState::kGone) after_exit(key, stopping.token());
  }
}

// A sealed VM whose guest powered off by itself: its process waits to be read and ended.
void Host::Impl::end_if_powered_off(const PlaceRow& row, hypervisor::Machine& machine) {
  if (!powered_off(row, machine)) return;
  const auto busy = begin(row.key, "powering off", VmState::kHashing, Holder::kNobody);
  if (!busy) return;
  const auto changed = end_powered_off(row, machine, stopping.token());
  after_exit(row.key, stopping.token(), changed);
}

Status Host::fence(const ledger::VmId& vm, const std::string& why) {
  const std::string key = SEALIFT_TRY(impl_->key_of_vm(vm));
  bool said = false;
  {
    auto locked = impl_->places.lock();
    const auto found = locked->find(key);
    if (found == locked->end()) return {};
    found->second.foreign = true;
    said = found->second.row.note == why;
  }
  if (!said) impl_->note(key, why);
  const auto machine = impl_->machine_of(key);
  if (!machine || machine->process_state() != ProcessState::kRunning) return {};
  // Our own stop holds even when the process is woken; without an answer it is frozen all the same.
  const Status stopped = machine->stop(Deadline::in(1s));
  const Status frozen = machine->freeze(Deadline::in(5s));
  log_warning("vm.fenced", {{"vm", vm.text()}, {"stopped", stopped.has_value()}, {"why", why}});
  return frozen;
}

}  // namespace sealift::host
