#include "balance/checker.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sealift::balance {

namespace {
constexpr std::size_t kProbesMax = 256;  // at once; the others are a moment late
}

void Checker::sync(const std::vector<CheckTarget>& targets, SteadyTime now) {
  std::map<std::pair<std::uint64_t, Kind>, Job> jobs;
  const auto keep = [&](const CheckTarget& target, Kind kind, Milliseconds interval) {
    const std::pair key{target.id, kind};
    const auto known = jobs_.find(key);
    Job& job = jobs[key];
    if (known != jobs_.end()) {
      job = known->second;
    } else {  // spread, so that a thousand servers are not asked in the same moment
      const auto spread = static_cast<std::uint64_t>(std::min(interval, Milliseconds{500}).count());
      job.due = now + Milliseconds{static_cast<std::int64_t>(mix(target.id) % spread)};
    }
    job.target = target;
  };
  for (const CheckTarget& target : targets) {
    if (target.health.kind != CheckKind::kNone) keep(target, Kind::kHealth, target.health.interval);
    if (target.agent_port != 0) keep(target, Kind::kAgent, target.agent_interval);
  }
  jobs_ = std::move(jobs);
}

void Checker::start_due(SteadyTime now, std::vector<CheckResult>* results) {
  for (auto& [key, job] : jobs_) {
    if (probes_.size() >= kProbesMax) return;
    if (job.running || now < job.due) continue;
    const bool agent = key.second == Kind::kAgent;
    job.due = now + (agent ? job.target.agent_interval : job.target.health.interval);
    Probe probe{key,   job.target, {}, now + std::min(job.target.health.timeout, Milliseconds{10'000}),
                false, {},         {}};
    Address address = job.target.address;
    if (agent) address.port = job.target.agent_port;
    if (!agent) probe.question = health_question(job.target.health);
    sockaddr_storage to{};
    const socklen_t bytes = address.to(&to);
    probe.fd.reset(::socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!probe.fd) continue;  // no descriptor says nothing about the server
    if (::connect(probe.fd.get(), reinterpret_cast<const sockaddr*>(&to), bytes) != 0 &&
        errno != EINPROGRESS) {
      results->push_back(failed(probe, std::strerror(errno)));
      continue;
    }
    job.running = true;
    probes_.push_back(std::move(probe));
  }
}

CheckResult Checker::failed(const Probe& probe, std::string why) const {
  CheckResult result{.id = probe.target.id, .fault = std::nullopt, .report = std::nullopt};
  if (probe.job.second == Kind::kAgent) {
    result.report = fail(Code::kUnavailable, "agent: {}", why);
  } else {
    result.fault = std::move(why);
  }
  return result;
}

std::optional<CheckResult> Checker::judge(Probe& probe, bool ended) const {
  CheckResult result{.id = probe.target.id, .fault = std::nullopt, .report = std::nullopt};
  if (probe.job.second == Kind::kAgent) {
    auto report = read_agent_line(probe.answer, ended);
    if (report && !*report) return std::nullopt;
    result.report =
        report ? Result<AgentReport>(**report) : Result<AgentReport>(std::unexpected(report.error()));
    return result;
  }
  const Judgement judgement = judge_health(probe.target.health, probe.answer, ended);
  if (judgement.answer == Answer::kMore) return std::nullopt;
  if (judgement.answer == Answer::kBad) result.fault = judgement.reason;
  return result;
}

std::optional<CheckResult> Checker::advance(Probe& probe, short events, SteadyTime now) {
  if (events == 0)
    return now >= probe.deadline ? std::optional(failed(probe, "no answer in time")) : std::nullopt;
  if (!probe.connected) {
    int error = 0;
    socklen_t bytes = sizeof(error);
    ::getsockopt(probe.fd.get(), SOL_SOCKET, SO_ERROR, &error, &bytes);
    if (error != 0) return failed(probe, std::strerror(error));
    probe.connected = true;
    // A question fits an empty socket buffer whole.
    if (!probe.question.empty() &&
        ::send(probe.fd.get(), probe.question.data(), probe.question.size(), MSG_NOSIGNAL) < 0)
      return failed(probe, std::strerror(errno));
    if (probe.job.second == Kind::kHealth && probe.question.empty()) return judge(probe, true);
    return std::nullopt;
  }
  std::array<std::uint8_t, kAnswerBytesMax> bytes;
  const ssize_t count = ::recv(probe.fd.get(), bytes.data(), bytes.size() - probe.answer.size(), 0);
  if (count < 0) return errno == EAGAIN ? std::nullopt : std::optional(failed(probe, std::strerror(errno)));
  probe.answer.insert(probe.answer.end(), bytes.begin(), bytes.begin() + count);
  return judge(probe, count == 0 || probe.answer.size() == kAnswerBytesMax);
}

std::vector<CheckResult> Checker::run_once(Milliseconds longest, int wake) {
  std::vector<CheckResult> results;
  start_due(std::chrono::steady_clock::now(), &results);
  std::vector<pollfd> fds{{wake, POLLIN, 0}};
  for (const Probe& probe : probes_)
    fds.push_back({probe.fd.get(), static_cast<short>(probe.connected ? POLLIN : POLLOUT), 0});
  if (::poll(fds.data(), fds.size(), results.empty() ? static_cast<int>(longest.count()) : 0) < 0)
    return results;
  const SteadyTime now = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < probes_.size(); ++i) {
    auto result = advance(probes_[i], fds[i + 1].revents, now);
    if (!result) continue;
    probes_[i].fd.reset();
    if (const auto job = jobs_.find(probes_[i].job); job != jobs_.end()) job->second.running = false;
    results.push_back(*std::move(result));
  }
  std::erase_if(probes_, [](const Probe& probe) { return !probe.fd; });
  return results;
}

}  // namespace sealift::balance
