#include "balance/balancer.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/log.hpp"

namespace sealift::balance {

namespace {

// Each connection takes two descriptors; some are kept for checks, pipes and the control side.
std::uint32_t connections_max(const Config& config) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const std::uint64_t possible = (std::min<rlim_t>(limit.rlim_cur, 20'000'000) / 2);
  const std::uint64_t wanted = config.connections_max == 0 ? possible : config.connections_max;
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(wanted / config.threads, 1));
}

}  // namespace

Result<std::unique_ptr<Balancer>> Balancer::start(const Config& config, Inheritance inheritance) {
  std::unique_ptr<Balancer> balancer(new Balancer(config));
  LoopOptions options{.connections_max = connections_max(config)};
  if (!config.access_log.empty()) {
    balancer->access_log_ = SEALIFT_TRY(file::open(config.access_log, O_WRONLY | O_APPEND | O_CREAT, 0640));
    options.access_log = balancer->access_log_.get();
  }
  Fresh listening;
  SEALIFT_TRY_STATUS(balancer->adopt(inheritance, config, &listening));
  auto core = balancer->core_.lock();
  core->registry.apply(config, std::chrono::steady_clock::now());
  core->registry.apply_commands(inheritance.state, std::chrono::steady_clock::now());
  const auto first = core->registry.snapshot(std::chrono::steady_clock::now());
  for (std::uint32_t i = 0; i < config.threads; ++i) {
    system_random().fill(
        MutableByteView(reinterpret_cast<std::uint8_t*>(&options.seed), sizeof(options.seed)));
    balancer->loops_.push_back(SEALIFT_TRY(Loop::start(options, first)));
  }
  for (const auto& [name, sockets] : listening) balancer->give_to_loops(name, sockets);
  core->listening = std::move(listening);
  balancer->control_ = std::thread([&self = *balancer] { self.control(); });
  return balancer;
}

Balancer::~Balancer() {
  stop_.stop();
  if (control_.joinable()) control_.join();
}

Status Balancer::adopt(Inheritance& inheritance, const Config& config, Fresh* out) const {
  for (ListenSocket& socket : inheritance.sockets) {
    const auto spec = std::ranges::find(config.listeners, socket.listener, &ListenerSpec::name);
    if (spec == config.listeners.end() || Address::bound_to(socket.fd.get()) != spec->address) continue;
    Listening& listening = (*out)[socket.listener];
    listening.address = spec->address;
    listening.fds.push_back(std::move(socket.fd));
  }
  Fresh fresh = SEALIFT_TRY(open_missing(config, *out));
  for (auto& [name, listening] : fresh) {
    Listening& all = (*out)[name];
    all.address = listening.address;
    std::ranges::move(listening.fds, std::back_inserter(all.fds));
  }
  return {};
}

// One socket a loop and listener, where there are fewer at that address.
Result<Balancer::Fresh> Balancer::open_missing(const Config& config, const Fresh& have) const {
  Fresh fresh;
  for (const ListenerSpec& spec : config.listeners) {
    const auto known = have.find(spec.name);
    const bool same = known != have.end() && known->second.address == spec.address;
    for (std::size_t i = same ? known->second.fds.size() : 0; i < threads_; ++i) {
      fresh[spec.name].address = spec.address;
      fresh[spec.name].fds.push_back(SEALIFT_TRY(open_listener(spec.address)));
    }
  }
  return fresh;
}

void Balancer::give_to_loops(const std::string& name, const Listening& listening) {
  for (std::size_t i = 0; i < listening.fds.size(); ++i) {
    UniqueFd copy(::fcntl(listening.fds[i].get(), F_DUPFD_CLOEXEC, 0));
    if (copy) loops_[i % loops_.size()]->listen({name, std::move(copy)});
  }
}

Status Balancer::reload(const Config& config) {
  if (config.threads != threads_)
    return fail(Code::kRefused,
                "threads = {} needs a restart (--takeover: no client is refused); nothing was changed",
                config.threads);
  auto core = core_.lock();
  Fresh fresh = SEALIFT_TRY(open_missing(config, core->listening));
  for (auto at = core->listening.begin(); at != core->listening.end();) {
    const auto next = std::next(at);
    const bool listed =
        std::ranges::find(config.listeners, at->first, &ListenerSpec::name) != config.listeners.end();
    if (!listed || fresh.contains(at->first)) {
      for (const auto& loop : loops_) loop->close_listener(at->first);
      core->listening.erase(at);
    }
    at = next;
  }
  core->registry.apply(config, std::chrono::steady_clock::now());
  publish(*core);
  for (auto& [name, listening] : fresh) {
    give_to_loops(name, listening);
    core->listening.insert_or_assign(name, std::move(listening));
  }
  log_info("balance.reloaded", {{"pools", config.pools.size()}, {"listeners", config.listeners.size()}});
  return {};
}

Status Balancer::change(const std::function<Status(Registry&, SteadyTime)>& action) {
  std::uint64_t generation = 0;
  {
    auto core = core_.lock();
    const SteadyTime now = std::chrono::steady_clock::now();
    SEALIFT_TRY_STATUS(action(core->registry, now));
    generation = publish(*core);
  }
  settle(generation);
  return {};
}

Status Balancer::follow(const std::function<Status(MoveFollower&, Registry&, SteadyTime)>& action) {
  std::uint64_t generation = 0;
  Status done;
  {
    auto core = core_.lock();
    done = action(core->follower, core->registry, std::chrono::steady_clock::now());
    generation = publish(*core);  // also what was done before it failed
  }
  settle(generation);
  return done;
}

void Balancer::settle(std::uint64_t generation) const {
  const Deadline deadline = Deadline::in(Milliseconds{50});
  while (settled() < generation && !deadline.passed()) std::this_thread::yield();
}

std::uint64_t Balancer::publish(Core& core) {
  const auto snapshot = core.registry.snapshot(std::chrono::steady_clock::now());
  for (const auto& loop : loops_)
    if (loop->generation() < snapshot->generation) loop->post(snapshot);
  return snapshot->generation;
}

std::uint64_t Balancer::settled() const {
  std::uint64_t least = ~0ULL;
  for (const auto& loop : loops_) least = std::min(least, loop->generation());
  return least;
}

// Checks, and what time does to the registry.
void Balancer::control() {
  Checker checker;
  std::vector<CheckTarget> known;
  std::uint64_t seen = 0;
  const Stop stop = stop_.token();
  while (!stop.stopped()) {
    const std::vector<CheckResult> results = checker.run_once(Milliseconds{100}, stop.fd());
    const SteadyTime now = std::chrono::steady_clock::now();
    auto core = core_.lock();
    for (const CheckResult& result : results) {
      if (result.report) {
        core->registry.agent_result(result.id, *result.report, now);
      } else {
        core->registry.health_result(result.id, result.fault, now);
      }
    }
    core->registry.tick(now, settled());
    const std::uint64_t generation = publish(*core);
    if (generation == seen) continue;  // what is checked changes with the snapshot only
    seen = generation;
    std::vector<CheckTarget> targets = core->registry.targets();
    if (targets == known) continue;
    checker.sync(targets, now);
    known = std::move(targets);
  }
}

std::vector<std::pair<std::string, int>> Balancer::sockets() {
  std::vector<std::pair<std::string, int>> out;
  for (const auto& [name, listening] : core_.lock()->listening)
    for (const UniqueFd& fd : listening.fds) out.emplace_back(name, fd.get());
  return out;
}

Json Balancer::commands() {
  return core_.lock()->registry.commands();
}

void Balancer::finish(Milliseconds drain) {
  core_.lock()->listening.clear();
  for (const auto& loop : loops_) loop->finish(std::chrono::steady_clock::now() + drain);
}

bool Balancer::finished() const {
  return std::ranges::all_of(loops_, [](const auto& loop) { return loop->finished(); });
}

}  // namespace sealift::balance
