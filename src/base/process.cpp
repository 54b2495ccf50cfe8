#include "base/process.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace sealift::process {

namespace {

using namespace std::chrono_literals;

struct StatLine {
  char state = 0;
  std::uint64_t start_ticks = 0;
};

// /proc/PID/stat or /proc/PID/task/TID/stat, proc(5): the name in parentheses may contain anything.
std::optional<StatLine> read_stat(const std::string& path) {
  const auto text = file::read_text(path, 4096);
  if (!text) return std::nullopt;
  const std::size_t end = text->rfind(')');
  if (end == std::string::npos || end + 2 >= text->size()) return std::nullopt;
  StatLine line;
  line.state = (*text)[end + 2];
  std::size_t at = end + 2;
  for (int field = 3; field < 22; ++field) {
    at = text->find(' ', at + (field == 3 ? 0 : 1));
    if (at == std::string::npos) return std::nullopt;
  }
  line.start_ticks = std::strtoull(text->c_str() + at, nullptr, 10);
  return line;
}

std::optional<StatLine> stat_of(const ProcessName& name) {
  if (name.pid <= 0) return std::nullopt;
  auto line = read_stat(fmt::format("/proc/{}/stat", name.pid));
  if (!line || line->start_ticks != name.start_ticks) return std::nullopt;
  return line;
}

void reap(const ProcessName& name, std::optional<ExitStatus>* status) {
  int raw = 0;
  if (::waitpid(name.pid, &raw, WNOHANG) != name.pid || status == nullptr) return;
  *status = ExitStatus{.code = WIFEXITED(raw) ? WEXITSTATUS(raw) : 0,
                       .signal = WIFSIGNALED(raw) ? WTERMSIG(raw) : 0};
}

UniqueFd pidfd_of(const ProcessName& name) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, name.pid, 0)));
  // The start time is checked after the pidfd is open: from here on it can only be this process.
  if (fd && !stat_of(name)) fd.reset();
  return fd;
}

bool all_threads_stopped(pid_t pid) {
  const std::string directory = fmt::format("/proc/{}/task", pid);
  const std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir(directory.c_str()), ::closedir);
  if (!tasks) return false;
  while (const dirent* entry = ::readdir(tasks.get())) {
    if (entry->d_name[0] == '.') continue;
    const auto line = read_stat(fmt::format("{}/{}/stat", directory, entry->d_name));
    if (line && line->state != 'T' && line->state != 't' && line->state != 'Z' && line->state != 'X')
      return false;
  }
  return true;
}

// Runs in the child between fork and exec: async-signal-safe calls only. Returns the step that failed.
const char* become_child(const SpawnOptions& options, int output_fd) {
  if (::setsid() < 0) return "setsid";
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const int null_fd = ::open("/dev/null", O_RDWR);
  if (null_fd < 0 || ::dup2(null_fd, 0) < 0) return "stdin";
  if (::dup2(output_fd >= 0 ? output_fd : null_fd, 1) < 0 || ::dup2(1, 2) < 0) return "stdout";
  for (const auto& [ours, theirs] : options.fds) {
    if (ours == theirs) {
      if (::fcntl(ours, F_SETFD, 0) < 0) return "pass descriptor";
    } else if (::dup2(ours, theirs) < 0) {
      return "pass descriptor";
    }
  }
  if (options.drop_to) {
    const auto [uid, gid] = *options.drop_to;
    for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
      ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
    if (::setgroups(0, nullptr) != 0) return "setgroups";
    if (::setresgid(gid, gid, gid) != 0) return "setresgid";
    if (::setresuid(uid, uid, uid) != 0) return "setresuid";
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs";
  }
  return nullptr;
}

struct ChildFailure {
  int error_number = 0;
  char step[32] = {};
};

}  // namespace

Result<ProcessName> spawn(const SpawnOptions& options) {
  if (options.argv.empty()) return fail(Code::kInternal, "spawn: no program");
  UniqueFd output;
  if (!options.output.empty()) {
    output = SEALIFT_TRY(file::open(options.output, O_WRONLY | O_CREAT | O_APPEND));
  }
  std::vector<char*> argv;
  for (const std::string& argument : options.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::array<int, 2> pipe_fds{};
  if (::pipe2(pipe_fds.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  UniqueFd report_in(pipe_fds[0]);
  UniqueFd report_out(pipe_fds[1]);

  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) {
    ChildFailure failure;
    const char* step = become_child(options, output.get());
    if (step == nullptr) {
      ::execvp(argv[0], argv.data());
      step = "exec";
    }
    failure.error_number = errno;
    std::strncpy(failure.step, step, sizeof(failure.step) - 1);
    [[maybe_unused]] const ssize_t wrote = ::write(report_out.get(), &failure, sizeof(failure));
    ::_exit(127);
  }
  report_out.reset();
  ChildFailure failure;
  ssize_t got = 0;
  do {
    got = ::read(report_in.get(), &failure, sizeof(failure));
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    int raw = 0;
    ::waitpid(pid, &raw, 0);
    return fail_errno(failure.error_number, fmt::format("start {}: {}", options.argv[0], failure.step));
  }
  const auto line = read_stat(fmt::format("/proc/{}/stat", pid));
  if (!line) return fail(Code::kIo, "start {}: it was gone at once", options.argv[0]);
  return ProcessName{.pid = pid, .start_ticks = line->start_ticks};
}

ProcessState state(const ProcessName& name) {
  const auto line = stat_of(name);
  if (!line) return ProcessState::kGone;
  if (line->state == 'Z' || line->state == 'X') {
    return ProcessState::kGone;  // wait() reaps and has the exit status
  }
  return line->state == 'T' && all_threads_stopped(name.pid) ? ProcessState::kStopped
                                                             : ProcessState::kRunning;
}

Status signal(const ProcessName& name, int signal_number) {
  const UniqueFd fd = pidfd_of(name);
  if (!fd) return fail(Code::kNotFound, "process {} is gone", name.pid);
  if (::syscall(SYS_pidfd_send_signal, fd.get(), signal_number, nullptr, 0) != 0) {
    if (errno == ESRCH) return fail(Code::kNotFound, "process {} is gone", name.pid);
    return fail_errno(errno, fmt::format("signal process {}", name.pid));
  }
  return {};
}

Result<std::optional<ExitStatus>> wait(const ProcessName& name, Deadline deadline, const Stop& stop) {
  std::optional<ExitStatus> status;
  const UniqueFd fd = pidfd_of(name);
  if (fd) SEALIFT_TRY_STATUS(wait_ready(fd.get(), Readiness::kReadable, deadline, stop));
  reap(name, &status);
  return status;
}

Status freeze(const ProcessName& name, Deadline deadline) {
  SEALIFT_TRY_STATUS(signal(name, SIGSTOP));
  while (true) {
    switch (state(name)) {
      case ProcessState::kStopped: return {};
      case ProcessState::kGone: return fail(Code::kNotFound, "process {} is gone", name.pid);
      case ProcessState::kRunning: break;
    }
    if (deadline.passed()) return fail(Code::kTimeout, "process {} did not stop in time", name.pid);
    Stop().sleep(Milliseconds(0));
    ::usleep(100);
  }
}

Status thaw(const ProcessName& name) {
  return signal(name, SIGCONT);
}

Status kill_hard(const ProcessName& name, Deadline deadline) {
  const Status sent = signal(name, SIGKILL);
  if (!sent && sent.error().code != Code::kNotFound) return sent;
  const auto gone = wait(name, deadline, Stop());
  if (!gone) return std::unexpected(gone.error());
  return {};
}

Result<Output> run(const std::vector<std::string>& argv, std::size_t bytes_max, Deadline deadline,
                   const Stop& stop) {
  std::array<int, 2> pipe_fds{};
  if (::pipe2(pipe_fds.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  UniqueFd out(pipe_fds[0]);
  UniqueFd in(pipe_fds[1]);
  const ProcessName name =
      SEALIFT_TRY(spawn({.argv = argv, .output = {}, .fds = {{in.get(), 1}, {in.get(), 2}}, .drop_to = {}}));
  in.reset();
  Output result;
  std::array<char, 16384> buffer{};
  while (true) {
    const Status ready = wait_ready(out.get(), Readiness::kReadable, deadline, stop);
    if (!ready) {
      static_cast<void>(kill_hard(name, Deadline::in(5s)));
      return because(ready.error(), fmt::format("run {}", argv[0]));
    }
    const ssize_t got = ::read(out.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    const std::size_t room = bytes_max - std::min(bytes_max, result.text.size());
    result.text.append(buffer.data(), std::min(room, static_cast<std::size_t>(got)));
  }
  const auto exit = SEALIFT_TRY(wait(name, deadline, stop));
  if (exit) result.exit = *exit;
  return result;
}

}  // namespace sealift::process
