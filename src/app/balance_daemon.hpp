#pragma once

// `sealift balance run FILE`: a balancer with its control socket, metrics and signals, in the foreground.

#include "base/file.hpp"
#include "base/result.hpp"

namespace sealift::app {

enum class Takeover { kNo, kYes };

// Ends on SIGTERM or SIGINT (open connections go on for drain_ms; a second signal ends them), or when the
// next process has taken over. SIGHUP: reload.
Result<int> run_balancer(const file::Path& file, Takeover takeover);

}  // namespace sealift::app
