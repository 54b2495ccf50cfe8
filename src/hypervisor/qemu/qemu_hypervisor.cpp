#include "hypervisor/qemu/qemu_hypervisor.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/log.hpp"
#include "hypervisor/qemu/tap.hpp"
#include "hypervisor/qemu/unix_socket.hpp"

namespace sealift::hypervisor::qemu {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLastWordsMax = 2048;
constexpr int kSigsys = 31;

std::uint64_t size_or_zero(const file::Path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

// A log that QEMU's user may write: made by us, given to it.
Status make_log(const file::Path& path, const GuestUser& user) {
  SEALIFT_TRY(file::open(path, O_WRONLY | O_CREAT | O_APPEND));
  return give_to_guest_user(path, user);
}

Result<std::vector<UniqueFd>> open_taps(const Placement& placement, Deadline deadline) {
  std::vector<UniqueFd> taps;
  for (const NetworkPlacement& network : placement.networks) {
    if (const auto* bridge = std::get_if<BridgeNetwork>(&network))
      taps.push_back(SEALIFT_TRY(open_tap(*bridge, deadline)));
  }
  return taps;
}

// Our copies of what QEMU inherits: closed once it runs, so that its end is seen on its sockets.
struct Inherited {
  UniqueFd monitor;
  UniqueFd serial;
  UniqueFd kvm;
  std::vector<UniqueFd> taps;

  // Every descriptor keeps its number in the child: none can land on another.
  std::vector<std::pair<int, int>> all() const {
    std::vector<std::pair<int, int>> fds{{monitor.get(), monitor.get()}, {serial.get(), serial.get()}};
    if (kvm) fds.emplace_back(kvm.get(), kvm.get());
    for (const UniqueFd& tap : taps) fds.emplace_back(tap.get(), tap.get());
    return fds;
  }
  InheritedFds numbers() const {
    InheritedFds out{.monitor = monitor.get(), .serial = serial.get(), .taps = {}};
    for (const UniqueFd& tap : taps) out.taps.push_back(tap.get());
    return out;
  }
};

}  // namespace

std::string last_words(const ProcessName& process, const file::Path& log, std::uint64_t log_begin) {
  std::string words;
  const auto ended = process::wait(process, Deadline::in(1s), Stop());
  if (ended && *ended) {
    words = (*ended)->signal == kSigsys ? "it was ended by signal 31: blocked by the sandbox"
            : (*ended)->signal != 0     ? fmt::format("it was ended by signal {}", (*ended)->signal)
                                        : fmt::format("it ended with code {}", (*ended)->code);
  } else {
    words = "it ended";
  }
  const auto text = file::read_text(log, 64U << 20);
  if (!text || text->size() <= log_begin) return words;
  std::string said = text->substr(log_begin);
  if (said.size() > kLastWordsMax) said = said.substr(said.size() - kLastWordsMax);
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return fmt::format("{}: {}", words, said);
}

Status QemuHypervisor::prepare_files(const VmDefinition& definition, const Placement& placement) const {
  // What an earlier process left there is gone with it.
  SEALIFT_TRY_STATUS(file::remove_tree(placement.run_directory));
  SEALIFT_TRY_STATUS(file::make_private_directory(placement.run_directory));
  SEALIFT_TRY_STATUS(give_to_guest_user(placement.run_directory, user_));
  SEALIFT_TRY_STATUS(make_log(placement.log_directory / "serial.log", user_));
  std::vector<file::Path> files = placement.disks;
  for (const std::string& name : side_files(definition)) files.push_back(placement.directory / name);
  for (const file::Path& path : files) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error))
      return fail(Code::kNotFound, "{} of VM {} is missing", path.string(), definition.name);
    SEALIFT_TRY_STATUS(give_to_guest_user(path, user_));
    SEALIFT_TRY_STATUS(check_reachable(path, user_));
  }
  SEALIFT_TRY_STATUS(check_reachable(placement.log_directory / "serial.log", user_));
  return check_reachable(placement.run_directory / "qmp", user_);
}

Result<std::unique_ptr<Machine>> QemuHypervisor::start(const VmDefinition& definition,
                                                       const Placement& placement, StartMode mode,
                                                       Deadline deadline) {
  const std::vector<std::string> problems = problems_running(definition, facts_);
  if (!problems.empty())
    return fail(Code::kUnsupported, "VM {} cannot run on this host: {}", definition.name, problems.front());
  SEALIFT_TRY_STATUS(prepare_files(definition, placement));
  Inherited inherited;
  inherited.monitor = SEALIFT_TRY(listen_unix(monitor_socket(placement.run_directory)));
  inherited.serial = SEALIFT_TRY(listen_unix(serial_socket(placement.run_directory)));
  inherited.taps = SEALIFT_TRY(open_taps(placement, deadline));
  LaunchSettings launch{.program = settings_.program,
                        .accelerator = facts_.accelerator,
                        .uefi_code = settings_.uefi_code,
                        .kvm_fd_set = {}};
  if (facts_.accelerator == Accelerator::kKvm && user_) {
    inherited.kvm = SEALIFT_TRY(open_kvm());
    launch.kvm_fd_set = inherited.kvm.get();
  }
  const file::Path log_file = placement.log_directory / "qemu.log";
  const std::uint64_t log_begin = size_or_zero(log_file);
  std::vector<std::pair<int, int>> fds = inherited.all();
  if (placement.lock >= 0) fds.emplace_back(placement.lock, placement.lock);
  const ProcessName process = SEALIFT_TRY(
      process::spawn({.argv = make_command_line(definition, placement, mode, inherited.numbers(), launch),
                      .output = log_file,
                      .fds = fds,
                      .drop_to = user_}));
  inherited = {};  // our copies
  auto client = QmpClient::connect(monitor_socket(placement.run_directory), deadline, Stop());
  if (!client) {
    const bool gone = process::wait(process, Deadline::in(500ms), Stop()).has_value();
    const std::string words = gone ? last_words(process, log_file, log_begin) : client.error().message;
    static_cast<void>(process::kill_hard(process, Deadline::in(5s)));
    return fail(gone ? Code::kRefused : client.error().code, "QEMU did not start for VM {}: {}",
                definition.name, words);
  }
  log_info("vm.process", {{"vm", definition.name}, {"pid", process.pid}});
  return std::make_unique<QemuMachine>(definition, placement.run_directory, process, user_,
                                       std::move(*client));
}

Result<std::unique_ptr<Machine>> QemuHypervisor::adopt(const VmDefinition& definition,
                                                       const Placement& placement, const ProcessName& process,
                                                       Deadline deadline) {
  std::shared_ptr<QmpClient> client;
  switch (process::state(process)) {
    case ProcessState::kGone: return fail(Code::kNotFound, "the process of VM {} is gone", definition.name);
    case ProcessState::kStopped: break;
    case ProcessState::kRunning: {
      // A monitor that is silent (QEMU stuck in a broken stream) is no reason to lose the process: it can
      // still be frozen and killed.
      auto connected = QmpClient::connect(monitor_socket(placement.run_directory), deadline, Stop());
      if (connected) {
        client = std::move(*connected);
      } else if (process::state(process) == ProcessState::kGone) {
        return fail(Code::kNotFound, "the process of VM {} is gone", definition.name);
      } else {
        log_warning("vm.monitor",
                    {{"vm", definition.name}, {"pid", process.pid}, {"error", connected.error().message}});
      }
      break;
    }
  }
  return std::make_unique<QemuMachine>(definition, placement.run_directory, process, user_,
                                       std::move(client));
}

}  // namespace sealift::hypervisor::qemu
