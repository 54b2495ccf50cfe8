#pragma once

// Child processes that may outlive the daemon: QEMU, qemu-nbd, qemu-img. Each runs in its own session
// (setsid): in the daemon's process group the kernel itself would continue a stopped child when the daemon
// dies. A process is named by pid and start time together, so that a reused pid is never taken for it.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/stop.hpp"

namespace sealift {

struct ProcessName {
  pid_t pid = -1;
  std::uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat, proc(5)
  bool operator==(const ProcessName&) const = default;
};

struct SpawnOptions {
  std::vector<std::string> argv;         // argv[0] looked up in PATH
  file::Path output;                     // standard output and error are appended there; empty: /dev/null
  std::vector<std::pair<int, int>> fds;  // {ours, theirs}: passed on as that number
  std::optional<std::pair<uid_t, gid_t>>
      drop_to;  // uid, gid; groups cleared, capabilities gone, no_new_privs
};

enum class ProcessState { kRunning, kStopped, kGone };  // kStopped: every thread is in state T
struct ExitStatus {
  int code = 0;    // exit code, or
  int signal = 0;  // the signal that ended it (31 = SIGSYS: blocked by the sandbox)
};

namespace process {

// Returns when the program was exec'd (a failed exec is an error here, not an exit code). Not waited for:
// reap with wait(), or see it gone with state(), which reaps too where it is our child.
Result<ProcessName> spawn(const SpawnOptions& options);
ProcessState state(const ProcessName& name);
Status signal(const ProcessName& name,
              int signal_number);  // kNotFound when it is gone; through a pidfd, never by bare pid
// Waits until gone; exit status where it was our child. kTimeout / kCancelled.
Result<std::optional<ExitStatus>> wait(const ProcessName& name, Deadline deadline, const Stop& stop);
// SIGSTOP, then waits until every thread is stopped (about 1.5 ms, reference/qemu.md 2.7).
Status freeze(const ProcessName& name, Deadline deadline);
Status thaw(const ProcessName& name);                          // SIGCONT
Status kill_hard(const ProcessName& name, Deadline deadline);  // SIGKILL and wait; gone already is fine

struct Output {
  ExitStatus exit;
  std::string text;  // standard output and error
};
// Runs a short program to its end and captures at most bytes_max of what it prints.
Result<Output> run(const std::vector<std::string>& argv, std::size_t bytes_max, Deadline deadline,
                   const Stop& stop);

}  // namespace process
}  // namespace sealift
