#pragma once

// The composition root: builds everything of a running host in one place and in one order; leaving run() is
// shutdown.

#include <optional>

#include "base/file.hpp"
#include "base/result.hpp"

namespace sealift::app {

// Runs until SIGTERM or SIGINT. VMs go on without it; when the whole machine shuts down (or [shutdown]
// with_daemon says so), moves that are not sealed are cancelled and the guests powered off first.
Result<int> run_daemon(const file::Path& state_directory, const std::optional<file::Path>& config);

}  // namespace sealift::app
