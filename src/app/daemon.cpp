#include "app/daemon.hpp"

#include <signal.h>

#include <filesystem>

#include "api/services.hpp"
#include "app/haproxy_follow.hpp"
#include "app/host_init.hpp"
#include "app/local_host.hpp"
#include "app/notify.hpp"
#include "app/ownership.hpp"
#include "app/recovery.hpp"
#include "app/traffic.hpp"
#include "base/log.hpp"
#include "host/ledger_records.hpp"
#include "hypervisor/qemu/machine.hpp"
#include "ledger/ask_quorum.hpp"
#include "migrate/move_manager.hpp"
#include "net/call_back.hpp"
#include "net/standing.hpp"

namespace sealift::app {

namespace {

constexpr Milliseconds kHypervisorWithin{60'000};
constexpr Milliseconds kQuorumWithin{5'000};
constexpr Milliseconds kQuorumAgain{1'000};
constexpr Milliseconds kCancelWithin{15'000};
constexpr Milliseconds kPurgeEvery{3'600'000};

// SIGTERM and SIGINT are waited for by the main thread alone; children start with an empty mask
// (base/process).
sigset_t block_end_signals() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  return ends;
}

// True when the whole machine goes down, not just this service.
bool machine_shuts_down() {
  if (!std::filesystem::exists("/run/systemd/system")) return false;
  const auto state =
      process::run({"systemctl", "is-system-running"}, 64, Deadline::in(Milliseconds(5'000)), Stop());
  return state && state->text.starts_with("stopping");
}

// Everything that a running host consists of, in the order in which it is built; the destructor takes it down
// in the other.
class Daemon {
 public:
  Daemon(file::Path state_directory, host::HostConfig config, HostFile file, crypto::Identity identity)
      : state_directory_(std::move(state_directory)),
        config_(std::move(config)),
        file_(std::move(file)),
        identity_(std::move(identity)) {}
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon();
  Status start();
  // The host shuts down: moves first, those that may still be cancelled.
  void shut_down_guests() {
    host_->shut_down_guests(moves_->cancel_unsealed(Deadline::in(kCancelWithin)), Stop());
  }

 private:
  Status open_ledger();
  Status open_hypervisor();
  Status open_host();
  Status serve_peers();
  Status follow_for_haproxy();
  net::DialOptions dial_of(const ledger::State& state, const ledger::Member& member) const;
  std::vector<traffic::Followed> other_hosts();
  std::vector<net::DialOptions> members_with_address() const;
  Status serve_api();
  void keep_house();

  file::Path state_directory_;
  host::HostConfig config_;
  HostFile file_;
  crypto::Identity identity_;
  StopSource stop_;
  net::CallBacks call_backs_;
  std::unique_ptr<domain::Node> node_;
  std::unique_ptr<hypervisor::Hypervisor> hypervisor_;
  hypervisor::HypervisorFacts facts_;
  std::optional<std::pair<uid_t, gid_t>> guest_user_;
  std::unique_ptr<host::LedgerRecords> records_;
  std::unique_ptr<host::Host> host_;
  std::unique_ptr<HostForMoves> local_host_;
  std::unique_ptr<traffic::EventStream> stream_;
  std::unique_ptr<traffic::Service> traffic_;
  std::unique_ptr<HostTraffic> switch_;
  std::unique_ptr<HaproxyFollow> haproxy_;
  std::unique_ptr<migrate::MoveManager> moves_;
  std::unique_ptr<net::PeerServer> peers_;
  std::unique_ptr<net::StandingConnections> standing_;
  std::unique_ptr<Recovery> recovery_;
  std::unique_ptr<OwnershipWatch> ownership_;
  std::unique_ptr<api::HttpServer> api_;
  std::unique_ptr<api::HttpServer> health_;
  std::jthread house_;
};

Status Daemon::open_ledger() {
  domain::NodeOptions options;
  options.directory = state_directory_;
  options.self = SEALIFT_TRY(host_info(file_, identity_, config_));
  options.call_backs = &call_backs_;
  options.on_joined = [this] {
    if (peers_) peers_->set_domain(node_->status().domain.hex());
    if (ownership_) ownership_->look_soon();
  };
  options.on_alarm = [this](const std::string& text) {
    log_error("ledger.alarm", {{"text", text}});
    if (ownership_) ownership_->look_soon();
  };
  node_ = SEALIFT_TRY(domain::Node::open(identity_, std::move(options)));
  return {};
}

Status Daemon::open_hypervisor() {
  guest_user_ = SEALIFT_TRY(hypervisor::qemu::guest_user(config_.qemu_user));
  if (file_.witness_only) return {};
  hypervisor::qemu::QemuSettings settings;
  settings.program = config_.qemu_program;
  settings.user = config_.qemu_user;
  settings.accelerator = config_.accelerator;
  settings.probe_file = state_directory_ / "accelerator.json";
  settings.scratch_directory = state_directory_ / "run";
  SEALIFT_TRY_STATUS(file::make_private_directory(settings.scratch_directory));
  auto opened = hypervisor::qemu::open_qemu(settings, Deadline::in(kHypervisorWithin), stop_.token());
  if (!opened)
    return fail(
        opened.error().code,
        "QEMU ('{}') cannot be used: {}. Install QEMU 9.0 or newer (Debian 12: qemu-system-x86 from "
        "bookworm-backports), or name it under [qemu] program in sealift.toml; VMs that run are not touched",
        config_.qemu_program, opened.error().message);
  hypervisor_ = std::move(*opened);
  facts_ = hypervisor_->facts();
  return {};
}

Status Daemon::open_host() {
  records_ = SEALIFT_TRY(host::LedgerRecords::open({.state_directory = state_directory_,
                                                    .self = file_.name,
                                                    .identity = &identity_,
                                                    .ledger = node_.get()}));
  host_ = SEALIFT_TRY(host::Host::open({.state_directory = state_directory_,
                                        .config = config_,
                                        .hypervisor = hypervisor_.get(),
                                        .records = records_.get()}));
  local_host_ = std::make_unique<HostForMoves>(*host_, *records_, facts_, guest_user_);
  stream_ = SEALIFT_TRY(traffic::EventStream::open(state_directory_ / "traffic.db"));
  traffic_ = std::make_unique<traffic::Service>(traffic::ServiceOptions{
      .self = file_.name, .identity = &identity_, .ledger = node_.get(), .stream = stream_.get()});
  switch_ = std::make_unique<HostTraffic>(*stream_, file_.name, config_.addresses);
  migrate::MoveManagerOptions options;
  options.directory = state_directory_;
  options.self = file_.name;
  options.identity = &identity_;
  options.ledger = node_.get();
  options.host = local_host_.get();
  options.call_backs = &call_backs_;
  options.traffic = switch_.get();
  options.numbers = &records_->numbering();
  options.incoming_max = config_.accept.moves.value_or(options.incoming_max);
  moves_ = SEALIFT_TRY(migrate::MoveManager::open(std::move(options)));
  recovery_ = std::make_unique<Recovery>(*node_, *host_, *records_, *moves_);
  return {};
}

Status Daemon::serve_peers() {
  peers_ = std::make_unique<net::PeerServer>(
      identity_,
      net::PeerServerOptions{.host_name = file_.name.text(), .domain = node_->status().domain.hex()},
      [this](const crypto::PublicKey& key, const net::Hello& hello) {
        const bool traffic =
            hello.purpose == traffic::kTrafficPurpose || hello.purpose == traffic::kEnrolPurpose;
        return traffic ? traffic_->authorise(key, hello) : node_->authorise(key, hello);
      });
  node_->attach(*peers_);
  moves_->attach(*peers_);
  traffic_->attach(*peers_);
  call_backs_.attach(*peers_);
  const net::Endpoint listen = SEALIFT_TRY(net::Endpoint::parse(config_.listen));
  if (const Status started = peers_->start(listen); !started) {
    return fail(started.error().code,
                "listen = \"{}\": {}. If another program has the port, name another one in {}",
                config_.listen, started.error().message, (state_directory_ / "sealift.toml").string());
  }
  node_->start();
  standing_ = std::make_unique<net::StandingConnections>(
      *peers_, identity_, [this] { return members_with_address(); }, net::StandingConnections::Options{});
  SEALIFT_TRY_STATUS(follow_for_haproxy());
  // Moves hold their VMs first; only then is anything of a VM watched, started or recorded.
  SEALIFT_TRY_STATUS(moves_->start());
  host_->begin();
  records_->start([this](const ledger::VmId& vm) { return moves_->may_be_unfinished(vm); });
  return {};
}

// Leftovers of an earlier daemon are put back also when nothing is configured any more.
Status Daemon::follow_for_haproxy() {
  std::vector<traffic::HaproxyServer> servers;
  for (const host::HaproxySetting& setting : config_.haproxy)
    servers.push_back({setting.socket, setting.backend, setting.server, setting.vm});
  const file::Path state = state_directory_ / "haproxy.json";
  if (servers.empty() && !std::filesystem::exists(state)) return {};
  haproxy_ = SEALIFT_TRY(HaproxyFollow::start(state, std::move(servers), file_.name, identity_, *stream_,
                                              [this] { return other_hosts(); }));
  return {};
}

net::DialOptions Daemon::dial_of(const ledger::State& state, const ledger::Member& member) const {
  net::DialOptions options;
  options.endpoints = net::parse_endpoints(member.info.endpoints);
  options.expected = member.info.key;
  options.hello.host_name = file_.name.text();
  options.hello.domain = state.domain().hex();
  return options;
}

std::vector<traffic::Followed> Daemon::other_hosts() {
  std::vector<traffic::Followed> list;
  if (config_.haproxy.empty()) return list;
  const auto state = node_->final_state();
  for (const ledger::Member& member : state->members()) {
    if (member.info.name == file_.name) continue;
    list.push_back({member.info.name, dial_of(*state, member)});
    list.back().to.call_backs = &call_backs_;
  }
  return list;
}

// Any of them may be unable to dial this host (a firewall, an address that means nothing there), and nobody
// knows before it tries: so this host keeps a connection to each.
std::vector<net::DialOptions> Daemon::members_with_address() const {
  std::vector<net::DialOptions> list;
  const auto state = node_->final_state();
  for (const ledger::Member& member : state->members()) {
    if (member.info.name == file_.name) continue;
    net::DialOptions options = dial_of(*state, member);
    if (!options.endpoints.empty()) list.push_back(std::move(options));
  }
  return list;
}

Status Daemon::serve_api() {
  const std::string accelerator =
      hypervisor_ ? std::string(hypervisor::to_string(facts_.accelerator)) : "none";
  const api::VmServices vms{.host = *host_,
                            .node = *node_,
                            .accelerator = accelerator,
                            .recover = [this](const std::string& vm, const Json& body, const Stop& stop) {
                              const auto word = [&](const char* key) {
                                return json::text(body, key).value_or("");
                              };
                              return recovery_->recover({.vm = vm,
                                                         .to = word("to"),
                                                         .fence = word("fence"),
                                                         .from = word("from"),
                                                         .accept_changes = word("accept_changes"),
                                                         .root = word("root")},
                                                        stop);
                            }};
  const api::StatusServices status{
      .vms = vms,
      .moves = *moves_,
      .listen = config_.listen,
      .state_directory = state_directory_.string(),
      .hypervisor = hypervisor_ ? "QEMU " + facts_.version : "none: a witness only"};
  api_ = std::make_unique<api::HttpServer>();
  api::add_status_routes(*api_, status, stop_.token());
  api::add_vm_routes(*api_, vms, stop_.token());
  api::add_move_routes(*api_, *moves_, stop_.token());
  api::add_domain_routes(*api_, *node_, *traffic_, stop_.token());
  api::add_ledger_routes(*api_, *node_);
  SEALIFT_TRY_STATUS(api_->start(state_directory_ / "api.sock"));
  if (config_.http.empty()) return {};
  const net::Endpoint http = SEALIFT_TRY(net::Endpoint::parse(config_.http));
  health_ = std::make_unique<api::HttpServer>();
  api::add_health_routes(*health_, status);
  return health_->start_tcp(http.host, http.port);
}

Status Daemon::start() {
  SEALIFT_TRY_STATUS(open_ledger());
  SEALIFT_TRY_STATUS(open_hypervisor());
  SEALIFT_TRY_STATUS(open_host());
  SEALIFT_TRY_STATUS(serve_peers());
  ownership_ = std::make_unique<OwnershipWatch>(*node_, *host_, *records_, *moves_, *recovery_);
  SEALIFT_TRY_STATUS(serve_api());
  house_ = std::jthread([this] { keep_house(); });
  return {};
}

// Autostart once the domain has been asked (a start at rest needs a quorum's answer: without one every VM
// would stay off), then what is due from time to time.
void Daemon::keep_house() {
  const Stop stop = stop_.token();
  std::string waiting;
  while (!stop.stopped()) {
    const auto answer = ledger::ask_quorum_now(*node_, system_random(), Deadline::in(kQuorumWithin), stop);
    if (answer) break;
    if (std::exchange(waiting, answer.error().message) != waiting) {
      log_warning("autostart.waits", {{"for", answer.error().message}});
    }
    stop.sleep(kQuorumAgain);
  }
  if (!stop.stopped()) host_->autostart(stop);
  do {
    if (const std::size_t erased = host_->purge_expired(); erased > 0)
      log_info("quarantine.expired", {{"erased", erased}});
  } while (!stop.sleep(kPurgeEvery));
}

Daemon::~Daemon() {
  stop_.stop();
  if (house_.joinable()) house_.join();
  if (health_) health_->stop();
  if (api_) api_->stop();
  // Whoever calls back goes before what it calls: the node's threads look at peers_ and ownership_, the
  // records' sender at moves_.
  standing_.reset();
  haproxy_.reset();
  if (peers_) peers_->stop();
  if (node_) node_->stop();
  ownership_.reset();
  if (records_) records_->stop();
  moves_.reset();
  host_.reset();
  records_.reset();
}

}  // namespace

Result<int> run_daemon(const file::Path& state_directory, const std::optional<file::Path>& config_path) {
  const HostFile file = SEALIFT_TRY(load_host_file(state_directory));
  const auto lock = file::lock(state_directory / "lock");
  if (!lock && lock.error().code == Code::kConflict) {
    return fail(Code::kConflict, "another sealift daemon runs on {}; nothing was changed",
                state_directory.string());
  }
  if (!lock) return std::unexpected(lock.error());
  host::HostConfig config = SEALIFT_TRY(host::load_config(config_path, state_directory));
  set_log_level(config.log_level);
  crypto::Identity identity = SEALIFT_TRY(crypto::Identity::load(state_directory / "host.key"));
  const bool guests_go_too = config.shutdown_with_daemon;
  const sigset_t ends = block_end_signals();
  {
    Daemon daemon(state_directory, std::move(config), file, std::move(identity));
    SEALIFT_TRY_STATUS(daemon.start());
    log_info("host.ready",
             {{"host", file.name.text()}, {"version", SEALIFT_VERSION}, {"state", state_directory.string()}});
    notify_service_manager("READY=1");
    int received = 0;
    sigwait(&ends, &received);
    notify_service_manager("STOPPING=1");
    log_info("host.stopping", {{"signal", received}});
    if (guests_go_too || machine_shuts_down()) daemon.shut_down_guests();
  }
  return 0;
}

}  // namespace sealift::app
