#pragma once

// The composition root: builds everything of a running host in one place and in one order; leaving run() is
// shutdown.

#include <optional>

#include "base/file.hpp"
#include "base/result.hpp"

namespace sealift::app {

struct InitOptions {
  std::string name;       // empty: this machine's
  std::string listen;     // empty: the default, [::]:7420
  std::string advertise;  // empty: found from listen and the machine's name
  std::string region;
  bool witness_only = false;
};
// Identity, host.json, a commented sealift.toml, a domain of one. kConflict when it was done before.
Result<std::string> init_host(const file::Path& state_directory, const InitOptions& options);

// Runs until SIGTERM or SIGINT. VMs go on without it; when the whole machine shuts down (or [shutdown]
// with_daemon says so), moves that are not sealed are cancelled and the guests powered off first.
Result<int> run_daemon(const file::Path& state_directory, const std::optional<file::Path>& config);

}  // namespace sealift::app
