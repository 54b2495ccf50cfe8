#include "hypervisor/qemu/qemu_machine.hpp"

#include "hypervisor/qemu/answers.hpp"
#include "hypervisor/qemu/command_line.hpp"

namespace sealift::hypervisor::qemu {

namespace {

constexpr Milliseconds kConnectAgain{1'000};

}  // namespace

file::Path monitor_socket(const file::Path& run_directory) {
  return run_directory / "qmp";
}
file::Path serial_socket(const file::Path& run_directory) {
  return run_directory / "console";
}

QemuMachine::QemuMachine(const VmDefinition& definition, file::Path run_directory, ProcessName process,
                         GuestUser user, std::shared_ptr<QmpClient> client)
    : definition_(definition),
      run_directory_(std::move(run_directory)),
      process_(process),
      user_(user),
      client_(Connection{std::move(client)}) {}

Result<std::shared_ptr<QmpClient>> QemuMachine::monitor(Deadline deadline) {
  const auto standing = [&]() -> std::shared_ptr<QmpClient> {
    auto known = client();
    return known && known->connected() ? known : nullptr;
  };
  if (auto known = standing()) return known;
  switch (process_state()) {
    case ProcessState::kGone:
      return fail(Code::kUnavailable, "the process of VM {} has ended", definition_.name);
    case ProcessState::kStopped:
      return fail(Code::kUnavailable, "the process of VM {} is frozen, its monitor is not connected",
                  definition_.name);
    case ProcessState::kRunning: break;
  }
  std::unique_lock mine(connecting_, std::defer_lock);
  if (!deadline.at()) {
    mine.lock();
  } else if (!mine.try_lock_until(*deadline.at())) {
    return fail(Code::kTimeout, "the monitor of VM {} is being connected", definition_.name);
  }
  if (auto known = standing()) return known;
  // A stuck QEMU must not keep everyone who only wants to look at it waiting.
  if (std::chrono::steady_clock::now() < retry_.not_before)
    return fail(Code::kUnavailable, "the monitor of VM {} does not answer: {}", definition_.name,
                retry_.failure);
  const auto lost = client();
  auto connected =
      QmpClient::connect(monitor_socket(run_directory_), deadline, Stop(), lost ? lost->log() : EventLog{});
  if (!connected) {
    retry_ = {std::chrono::steady_clock::now() + kConnectAgain, connected.error().message};
    return because(connected.error(), fmt::format("the monitor of VM {}", definition_.name));
  }
  std::shared_ptr<QmpClient> made = std::move(*connected);
  client_.lock()->client = made;
  return made;
}

Result<Json> QemuMachine::call(std::string_view name, const Json& arguments, Deadline deadline) {
  const auto connected = monitor(deadline);
  if (!connected) return because(connected.error(), name);
  auto answer = (*connected)->call(name, arguments, deadline, Stop());
  if (answer || (answer.error().code != Code::kUnavailable && answer.error().code != Code::kTimeout))
    return answer;
  if (process_state() == ProcessState::kGone)
    return fail(Code::kUnavailable, "{}: the process of VM {} has ended", name, definition_.name);
  return answer;
}

Status QemuMachine::command(std::string_view name, const Json& arguments, Deadline deadline) {
  const auto answer = call(name, arguments, deadline);
  if (!answer) return std::unexpected(answer.error());
  return {};
}

Result<std::size_t> QemuMachine::disk_index(const std::string& disk) const {
  for (std::size_t i = 0; i < definition_.disks.size(); ++i) {
    if (definition_.disks[i].name == disk) return i;
  }
  return fail(Code::kNotFound, "VM {} has no disk '{}'", definition_.name, disk);
}

Result<MachineStatus> QemuMachine::status(Deadline deadline) {
  const Json answer = SEALIFT_TRY(call("query-status", {}, deadline));
  return parse_status(answer);
}

Status QemuMachine::stop(Deadline deadline) {
  return command("stop", {}, deadline);
}

Status QemuMachine::cont(Deadline deadline) {
  const Status done = command("cont", {}, deadline);
  if (!done && done.error().message.find("lock") != std::string::npos)
    return fail(Code::kConflict, "{}", done.error().message);
  return done;
}

// QEMU may be gone before its answer is read.
Status QemuMachine::quit(Deadline deadline) {
  const Status asked = command("quit", {}, deadline);
  if (!asked && process_state() != ProcessState::kGone && asked.error().code != Code::kUnavailable)
    return asked;
  return {};
}

Status QemuMachine::keep_at_shutdown(Deadline deadline) {
  return command("set-action", {{"shutdown", "pause"}}, deadline);
}

Status QemuMachine::powerdown(Deadline deadline) {
  return command("system_powerdown", {}, deadline);
}

Status QemuMachine::announce(Deadline deadline) {
  return command("announce-self", {{"initial", 50}, {"max", 550}, {"rounds", 5}, {"step", 100}}, deadline);
}

Status QemuMachine::kill(Deadline deadline) {
  return process::kill_hard(process_, deadline);
}

Result<std::optional<ExitStatus>> QemuMachine::wait_gone(Deadline deadline, const Stop& stop) {
  return process::wait(process_, deadline, stop);
}

Status QemuMachine::freeze(Deadline deadline) {
  SEALIFT_TRY_STATUS(process::freeze(process_, deadline));
  const auto monitor = client();
  if (!monitor) return {};
  // The process writes no more; what it wrote is read. A monitor that was lost before has said so (kLost).
  const Status drained = monitor->drain(deadline);
  if (!drained && drained.error().code != Code::kUnavailable) return drained;
  return {};
}

Status QemuMachine::thaw(Deadline deadline) {
  SEALIFT_TRY_STATUS(process::thaw(process_));
  SEALIFT_TRY(monitor(deadline));
  return {};
}

std::uint64_t QemuMachine::event_position() const {
  const auto monitor = client();
  return monitor ? monitor->event_position() : 0;
}

Result<Event> QemuMachine::next_event(std::uint64_t& position, Deadline deadline, const Stop& stop) {
  const auto monitor = client();
  if (!monitor)
    return fail(Code::kUnavailable, "the process of VM {} is frozen: no events", definition_.name);
  return monitor->next_event(position, deadline, stop);
}

}  // namespace sealift::hypervisor::qemu
