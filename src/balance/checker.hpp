#pragma once

// Asks servers how they are: connects, HTTP and TLS checks, agents; many at once, one thread, bounded.
// Results are handed to the caller of run_once(), which owns what follows from them.

#include <map>
#include <optional>

#include "balance/registry.hpp"
#include "base/file.hpp"

namespace sealift::balance {

struct CheckResult {
  std::uint64_t id = 0;
  std::optional<std::string> fault;           // of a health check; none: it is well
  std::optional<Result<AgentReport>> report;  // of an agent; then `fault` means nothing
};

class Checker {
 public:
  void sync(const std::vector<CheckTarget>& targets, SteadyTime now);
  // Starts what is due and waits for answers, at most that long; returns early when `wake` is readable.
  std::vector<CheckResult> run_once(Milliseconds longest, int wake);

 private:
  enum class Kind : std::uint8_t { kHealth, kAgent };
  struct Job {
    CheckTarget target;
    SteadyTime due{};
    bool running = false;
  };
  struct Probe {
    std::pair<std::uint64_t, Kind> job;
    CheckTarget target;
    UniqueFd fd;
    SteadyTime deadline{};
    bool connected = false;
    Bytes question, answer;
  };

  void start_due(SteadyTime now, std::vector<CheckResult>* results);
  // What one probe came to, if it is over.
  std::optional<CheckResult> advance(Probe& probe, short events, SteadyTime now);
  CheckResult failed(const Probe& probe, std::string why) const;
  std::optional<CheckResult> judge(Probe& probe, bool ended) const;

  std::map<std::pair<std::uint64_t, Kind>, Job> jobs_;
  std::vector<Probe> probes_;
};

}  // namespace sealift::balance
