#include "app/balance_daemon.hpp"

#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "api/http_server.hpp"
#include "app/balance_follow.hpp"
#include "app/notify.hpp"
#include "balance/balancer.hpp"
#include "base/log.hpp"

namespace sealift::app {

namespace {

file::Path handover_path(const balance::Config& config) {
  return config.control + ".handover";
}

class BalanceDaemon {
 public:
  BalanceDaemon(file::Path file, balance::Config config)
      : file_(std::move(file)), config_(std::move(config)) {}
  ~BalanceDaemon() {
    stop_.stop();
    if (bequeather_.joinable()) bequeather_.join();
    follow_.reset();
  }

  Status start(Takeover takeover) {
    balance::Inheritance inheritance;
    std::optional<balance::Heir> heir;
    if (!config_.control.empty()) {
      auto running = balance::Heir::connect(handover_path(config_));
      if (running && takeover == Takeover::kNo)
        return fail(Code::kConflict,
                    "a balancer runs already with the control socket {}: --takeover to replace it",
                    config_.control);
      if (running) {
        heir = std::move(*running);
        inheritance = SEALIFT_TRY(heir->receive());
      }
    }
    balancer_ = SEALIFT_TRY(balance::Balancer::start(config_, std::move(inheritance)));
    follow_moves(config_);
    if (heir) SEALIFT_TRY_STATUS(heir->ready());  // from here on the old one accepts nothing more
    return serve();
  }

  Result<Json> reload() {
    const balance::Config config = SEALIFT_TRY(balance::load_config(file_));
    SEALIFT_TRY_STATUS(balancer_->reload(config));
    follow_moves(config);  // also a new enrolment
    return Json{{"message", fmt::format("{} is in force", file_.string())}};
  }
  balance::Balancer& balancer() { return *balancer_; }
  bool replaced() const { return replaced_; }
  Milliseconds drain() const { return config_.drain; }

  // No commands any more; the next process may have the socket's name.
  void close_control() {
    if (control_) control_->stop();
    if (metrics_) metrics_->stop();
  }

 private:
  // A balancer that cannot follow balances all the same, and says so.
  void follow_moves(const balance::Config& config) {
    const std::lock_guard lock(following_);
    if (follow_ && follow_->current(config.follow)) return;
    follow_.reset();
    if (config.follow.empty()) return;
    auto follow = BalanceFollow::start(config.follow, *balancer_);
    if (follow) {
      follow_ = std::move(*follow);
    } else {
      log_error("balance.follows_no_moves", {{"why", follow.error().message}});
    }
  }

  Status serve() {
    if (!config_.metrics.empty()) {
      const balance::Address address = SEALIFT_TRY(balance::Address::parse(config_.metrics));
      metrics_ = std::make_unique<api::HttpServer>();
      metrics_->get_text("/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8",
                         [this]() -> Result<std::string> { return balancer_->metrics(); });
      metrics_->get("/healthz", [](const api::Request&) -> Result<Json> { return Json{{"ok", true}}; });
      SEALIFT_TRY_STATUS(metrics_->start_tcp(address.ip_text(), address.port));
    }
    if (config_.control.empty()) return {};
    control_ = std::make_unique<api::HttpServer>();
    control_->get("/v1/balance", [this](const api::Request&) -> Result<Json> { return balancer_->status(); });
    control_->post("/v1/balance/reload", [this](const api::Request&) { return reload(); });
    control_->post("/v1/balance/pools/{}/servers/{}/{}", [this](const api::Request& request) {
      return command({request.captures[0], request.captures[1]}, request.captures[2], request.body);
    });
    SEALIFT_TRY_STATUS(control_->start(config_.control));
    auto listener = SEALIFT_TRY(net::UnixListener::listen(handover_path(config_)));
    bequeather_ =
        std::thread([this, listener = std::move(listener)]() mutable { bequeath(std::move(listener)); });
    return {};
  }

  Result<Json> command(const balance::ServerName& name, const std::string& what, const Json& body) {
    using balance::Admin;
    SEALIFT_TRY_STATUS(balancer_->change([&](balance::Registry& registry, SteadyTime now) -> Status {
      if (what == "add") {
        return registry.add(name.pool, SEALIFT_TRY(balance::server_from_json(name.server, body)), now);
      }
      if (what == "remove") return registry.remove(name);
      if (what == "drain") return registry.set_admin(name, Admin::kDrain, now);
      if (what == "enable") {
        SEALIFT_TRY_STATUS(registry.set_weight(name, std::nullopt));
        return registry.set_admin(name, Admin::kReady, now);
      }
      if (what == "weight") {
        const std::uint64_t weight = SEALIFT_TRY(json::number(body, "weight"));
        return registry.set_weight(name,
                                   static_cast<std::uint32_t>(std::min<std::uint64_t>(weight, 1'000'000)));
      }
      if (what == "hold") {
        std::optional<Milliseconds> longest;
        if (json::has(body, "longest_ms"))
          longest = Milliseconds{static_cast<std::int64_t>(SEALIFT_TRY(json::number(body, "longest_ms")))};
        return registry.hold(name, longest, now);
      }
      if (what == "release") return registry.release(name, now);
      return fail(Code::kNotFound, "there is no command '{}' for a server", what);
    }));
    log_info("balance.command", {{"pool", name.pool}, {"server", name.server}, {"command", what}});
    return Json{{"pool", name.pool}, {"server", name.server}, {"done", what}};
  }

  void bequeath(net::UnixListener listener) {
    const Stop stop = stop_.token();
    while (!stop.stopped()) {
      auto heir = listener.accept(Deadline::never(), stop);
      if (!heir) return;
      const auto taken = balance::bequeath(
          *heir, balancer_->sockets(), balancer_->commands(),
          [this] {
            balancer_->finish(drain());
            close_control();
          },
          stop);
      if (!taken) log_warning("balance.handover", {{"failed", taken.error().message}});
      if (!taken || !*taken) continue;
      log_info("balance.replaced", {{"open_connections", "go on"}, {"for_ms", drain().count()}});
      replaced_ = true;
      ::kill(::getpid(), SIGUSR1);  // wakes the main thread
      // The name belongs to the next process now: it is not removed.
      listener.disown();
      return;
    }
  }

  file::Path file_;
  balance::Config config_;
  std::unique_ptr<balance::Balancer> balancer_;
  std::mutex following_;
  std::unique_ptr<BalanceFollow> follow_;
  std::unique_ptr<api::HttpServer> control_, metrics_;
  std::atomic<bool> replaced_{false};
  StopSource stop_;
  std::thread bequeather_;  // last
};

sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

}  // namespace

Result<int> run_balancer(const file::Path& file, Takeover takeover) {
  balance::Config config = SEALIFT_TRY(balance::load_config(file));
  const sigset_t signals = block_signals();
  BalanceDaemon daemon(file, std::move(config));
  SEALIFT_TRY_STATUS(daemon.start(takeover));
  log_info("balance.ready", {{"file", file.string()}, {"version", SEALIFT_VERSION}});
  notify_service_manager(fmt::format("READY=1\nMAINPID={}", ::getpid()));
  bool ending = false;
  while (!ending) {
    int received = 0;
    sigwait(&signals, &received);
    if (received == SIGHUP) {
      if (const auto done = daemon.reload(); !done)
        log_error("balance.reload_refused", {{"in_force", "the old file"}, {"why", done.error().message}});
    }
    ending = received == SIGTERM || received == SIGINT || (received == SIGUSR1 && daemon.replaced());
  }
  if (!daemon.replaced()) {
    notify_service_manager("STOPPING=1");
    daemon.balancer().finish(daemon.drain());
    daemon.close_control();
  }
  log_info("balance.draining", {{"for_ms", daemon.drain().count()}});
  while (!daemon.balancer().finished()) {
    const timespec moment{.tv_sec = 0, .tv_nsec = 50'000'000};
    const int received = sigtimedwait(&signals, nullptr, &moment);
    if (received == SIGTERM || received == SIGINT) daemon.balancer().finish(Milliseconds{0});
  }
  return 0;
}

}  // namespace sealift::app
