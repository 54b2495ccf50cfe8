#pragma once

// What the routes work on. Built by the composition root (app/daemon.cpp), which outlives the server.

#include <functional>
#include <string>

#include "api/http_server.hpp"
#include "domain/node.hpp"
#include "traffic/service.hpp"

namespace sealift::host {
class Host;
}
namespace sealift::migrate {
class MoveManager;
}

namespace sealift::api {

// Membership calls wait that long for the ledger; the client may ask again.
constexpr Milliseconds kLedgerWait{60'000};

struct VmServices {
  host::Host& host;
  domain::Node& node;
  std::string accelerator;  // "kvm" or "tcg"
  // POST /v1/vms/VM/recover, body {to, fence, from, accept_changes, root}, texts that may be missing.
  std::function<Result<Json>(const std::string& vm, const Json& body, const Stop& stop)> recover;
};
// /v1/vms …: create, list, show, start, stop, kill, remove, recover; /v1/quarantine: list, purge
void add_vm_routes(HttpServer& server, const VmServices& services, const Stop& stop);

struct StatusServices {
  VmServices vms;
  migrate::MoveManager& moves;
  std::string listen;
  std::string state_directory;
  std::string hypervisor;  // "QEMU 10.0.2", or why there is none
};
// /v1/status, /v1/host/update, and the health routes
void add_status_routes(HttpServer& server, const StatusServices& services, const Stop& stop);
// /healthz and /metrics (OpenMetrics): also for a second server on TCP, which answers nothing else
void add_health_routes(HttpServer& server, const StatusServices& services);

// GET /v1/domain, POST /v1/domain/invite|invite-balancer|join|approve|leave|expel|activate
void add_domain_routes(HttpServer& server, domain::Node& node, traffic::Service& traffic, const Stop& stop);
// GET /v1/ledger, GET /v1/ledger/records/{id or its first digits}, GET /v1/ledger/receipts/{move}
void add_ledger_routes(HttpServer& server, domain::Node& node);
// /v1/moves …: begin, list, show or watch (?after=VERSION&wait_ms=N), abort, tune
void add_move_routes(HttpServer& server, migrate::MoveManager& moves, const Stop& stop);

}  // namespace sealift::api
