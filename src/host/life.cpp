// Start, stop, kill, autostart, shutdown of the host.

#include <algorithm>

#include "base/log.hpp"
#include "host/impl.hpp"

namespace sealift::host {

using namespace std::chrono_literals;
using hypervisor::Machine;
using hypervisor::StartMode;

namespace {

constexpr Milliseconds kProveWithin{30'000};  // hashing a disk may take hours, a quorum's answer does not
constexpr Milliseconds kPressAgain{5'000};    // a guest that still boots misses the first press

}  // namespace

// The process, paused; the caller is Busy. It holds the place's lock from now on, and is in the journal.
Result<std::shared_ptr<Machine>> Host::Impl::launch(const std::string& key, StartMode mode,
                                                    Deadline deadline) {
  if (options.hypervisor == nullptr)
    return fail(Code::kUnsupported, "this host is a witness: it runs no VMs");
  const PlaceRow row = row_of(key);
  hypervisor::Placement placement = SEALIFT_TRY(placement_of(row));
  const UniqueFd lock = SEALIFT_TRY(lock_place(key));
  placement.lock = lock.get();
  std::shared_ptr<Machine> machine =
      SEALIFT_TRY(options.hypervisor->start(row.definition, placement, mode, deadline));
  const Status kept = inventory->set_process(key, machine->process());
  if (!kept) {
    static_cast<void>(machine->kill(Deadline::in(5s)));
    return because(kept.error(), "the VM was started and ended again: its process could not be journaled");
  }
  auto locked = places.lock();
  locked->at(key).row.process = machine->process();
  locked->at(key).machine = machine;
  return machine;
}

// Ownership first: a start without proof may run a VM twice.
Status Host::Impl::prove(const PlaceRow& row, const StartOptions& start_options, Deadline deadline,
                         const Stop& stop) {
  if (!start_options.offline.empty()) return {};
  deadline = deadline.within(kProveWithin);
  Status proof = options.records->may_start(row.vm, deadline, stop);
  if (!proof && proof.error().code == Code::kNotFound) {
    // Created, but the daemon ended before the ledger had it.
    SEALIFT_TRY_STATUS(options.records->registered(
        row.vm, crypto::sha256(hypervisor::canonical_bytes(row.definition)), deadline, stop));
    proof = options.records->may_start(row.vm, deadline, stop);
  }
  if (proof) return {};
  if (proof.error().code != Code::kUnavailable && proof.error().code != Code::kTimeout)
    return because(proof.error(), fmt::format("VM {} was not started", row.definition.name));
  return fail(
      Code::kUnavailable,
      "VM {} was not started: whether it is still this host's cannot be asked now ({}). Bring the other "
      "members back; or, knowing that it was not recovered elsewhere (it would run twice), start it with "
      "--offline REASON, which is recorded",
      row.definition.name, proof.error().message);
}

Result<std::string> Host::Impl::start(const std::string& key, const StartOptions& start_options,
                                      Deadline deadline, const Stop& stop) {
  const PlaceRow row = row_of(key);
  if (const auto machine = machine_of(key); machine && machine->process_state() != ProcessState::kGone) {
    const auto status = machine->status(Deadline::in(2s));
    if (status && status->state == hypervisor::RunState::kIoError) {
      SEALIFT_TRY_STATUS(machine->cont(deadline));
      return std::string("it went on where the failed write had stopped it");
    }
    return fail(Code::kConflict, "VM {} is on already", row.definition.name);
  }
  SEALIFT_TRY_STATUS(prove(row, start_options, deadline, stop));
  const auto checked = SEALIFT_TRY(check_rest(row, start_options, stop));
  // Before the guest runs: a power failure from here on must not leave a rest root that looks current.
  SEALIFT_TRY_STATUS(options.records->started(row.vm, checked, start_options.offline));
  auto launched = launch(key, StartMode::kBoot, deadline);
  if (!launched) {
    note(key, "last start failed: " + launched.error().message);
    return std::unexpected(launched.error());
  }
  if (checked) track_writes(row, **launched);
  const Status running = (*launched)->cont(deadline);
  if (!running) {
    static_cast<void>((*launched)->kill(Deadline::in(5s)));
    after_exit(key, stop);
    return because(running.error(), fmt::format("VM {} was not started", row.definition.name));
  }
  note(key, "");
  log_info("vm.started", {{"vm", row.definition.name}, {"pid", (*launched)->process().pid}});
  if (row.definition.at_rest == hypervisor::AtRest::kSealed && !checked)
    return std::string("recorded as an unverified start: there was no rest root to check the disks against");
  return std::string();
}

void Host::Impl::after_exit(const std::string& key, const Stop& stop,
                            const std::optional<ChangedLeaves>& changed) {
  const auto machine = machine_of(key);
  if (machine) {
    const auto ended = machine->wait_gone(Deadline::in(1s), Stop());
    const bool badly = ended && *ended && ((*ended)->code != 0 || (*ended)->signal != 0);
    log_info("vm.ended", {{"place", key}, {"pid", machine->process().pid}, {"in_good_order", !badly}});
  }
  const Status kept = inventory->set_process(key, std::nullopt);
  if (!kept) log_error("journal", {{"why", kept.error().message}});
  {
    auto locked = places.lock();
    locked->at(key).row.process.reset();
    locked->at(key).machine.reset();
  }
  record_rest(key, changed, stop);
}

Status Host::Impl::stop(const std::string& key, Deadline deadline, const Stop& stop) {
  const auto machine = machine_of(key);
  if (!machine || machine->process_state() == ProcessState::kGone)
    return fail(Code::kConflict, "VM {} is off already", row_of(key).definition.name);
  if (machine->process_state() == ProcessState::kStopped)
    return fail(Code::kConflict, "VM {} is frozen: a guest that does not run cannot power off",
                row_of(key).definition.name);
  std::optional<ChangedLeaves> changed;
  while (true) {
    SEALIFT_TRY_STATUS([&]() -> Status {
      const Status pressed = machine->powerdown(deadline);
      if (!pressed && machine->process_state() != ProcessState::kGone) return pressed;
      return {};
    }());
    const auto gone = wait_off(key, *machine, deadline.within(kPressAgain), stop, &changed);
    if (gone) break;
    if (gone.error().code != Code::kTimeout) return std::unexpected(gone.error());
    if (deadline.passed()) {
      return fail(
          Code::kTimeout,
          "VM {} did not power off in time and runs on: its guest may ignore the power button. Stop it "
          "from inside, or end it with sealift vm kill",
          row_of(key).definition.name);
    }
  }
  after_exit(key, stop, changed);
  return {};
}

Result<std::string> Host::start(const std::string& name_or_id, const StartOptions& options, Deadline deadline,
                                const Stop& stop) {
  const std::string key = SEALIFT_TRY(impl_->key_of(name_or_id));
  const auto busy =
      SEALIFT_TRY(impl_->begin(key, "being started", VmState::kStarting, Impl::Holder::kNobody));
  return impl_->start(key, options, deadline, stop);
}

Status Host::stop(const std::string& name_or_id, Deadline deadline, const Stop& stop) {
  const std::string key = SEALIFT_TRY(impl_->key_of(name_or_id));
  const auto busy = SEALIFT_TRY(impl_->begin(key, "being stopped", VmState::kRunning, Impl::Holder::kNobody));
  return impl_->stop(key, deadline, stop);
}

Status Host::kill(const std::string& name_or_id, Deadline deadline) {
  const std::string key = SEALIFT_TRY(impl_->key_of(name_or_id));
  const auto busy = SEALIFT_TRY(impl_->begin(key, "being killed", VmState::kRunning, Impl::Holder::kNobody));
  const auto machine = impl_->machine_of(key);
  if (!machine) return fail(Code::kConflict, "VM {} is off already", name_or_id);
  SEALIFT_TRY_STATUS(machine->kill(deadline));
  impl_->after_exit(key, impl_->stopping.token());
  return {};
}

Result<std::shared_ptr<Machine>> Host::start_held(const ledger::VmId& vm, Deadline deadline) {
  const std::string key = SEALIFT_TRY(impl_->key_of_vm(vm));
  const auto busy =
      SEALIFT_TRY(impl_->begin(key, "being started", VmState::kStarting, Impl::Holder::kAnybody));
  if (const auto machine = impl_->machine_of(key)) {
    if (machine->process_state() != ProcessState::kGone) return machine;
  }
  std::shared_ptr<Machine> machine = SEALIFT_TRY(impl_->launch(key, StartMode::kBoot, deadline));
  const Status running = machine->cont(deadline);
  if (!running) {
    static_cast<void>(machine->kill(Deadline::in(5s)));
    return std::unexpected(running.error());
  }
  return machine;
}

void Host::autostart(const Stop& stop) {
  std::vector<std::pair<std::uint32_t, std::string>> wanted;
  for (const auto& [key, place] : *impl_->places.lock()) {
    if (place.row.adopted && place.row.definition.autostart && !place.machine && place.held_by.empty())
      wanted.emplace_back(place.row.definition.autostart_order, key);
  }
  std::ranges::stable_sort(wanted, {}, &std::pair<std::uint32_t, std::string>::first);
  for (const auto& [order, key] : wanted) {
    if (stop.stopped()) return;
    auto busy = impl_->begin(key, "being started", VmState::kStarting, Impl::Holder::kNobody);
    if (!busy) continue;
    const auto started = impl_->start(key, {}, Deadline::in(120s), stop);
    if (!started) impl_->note(key, "autostart: " + started.error().message);
  }
}

void Host::shut_down_guests(const std::vector<ledger::VmId>& leave, const Stop& stop) {
  const Deadline deadline = Deadline::in(std::chrono::seconds(impl_->options.config.shutdown_seconds));
  std::vector<std::string> keys;
  for (const auto& [key, place] : *impl_->places.lock()) {
    const bool on = place.machine && place.machine->process_state() == ProcessState::kRunning;
    const bool alone = std::ranges::find(leave, place.row.vm) != leave.end();
    if (place.row.adopted && on && !alone) keys.push_back(key);
  }
  std::vector<std::jthread> threads;
  for (const std::string& key : keys) {
    threads.emplace_back([this, key, deadline, &stop] {
      auto busy = impl_->begin(key, "being stopped", VmState::kRunning, Impl::Holder::kAnybody);
      if (!busy || impl_->stop(key, deadline, stop)) return;
      const auto machine = impl_->machine_of(key);
      if (machine && machine->kill(Deadline::in(10s))) impl_->after_exit(key, stop);
    });
  }
}

}  // namespace sealift::host
