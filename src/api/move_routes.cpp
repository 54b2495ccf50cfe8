#include "api/services.hpp"
#include "migrate/move_manager.hpp"

namespace sealift::api {

namespace {

constexpr std::uint64_t kWaitMax = 30'000;

Result<std::map<std::string, std::string>> mapping(const Json& body, const std::string& name) {
  std::map<std::string, std::string> map;
  if (!json::has(body, name)) return map;
  const Json object = SEALIFT_TRY(json::object(body, name));
  for (const auto& [here, there] : object.items()) {
    if (!there.is_string()) return fail(Code::kInvalid, "field '{}': '{}' is not text", name, here);
    map[here] = there.get<std::string>();
  }
  return map;
}

Result<migrate::MigrateRequest::Mode> mode_of(const std::string& word) {
  if (word == "auto") return migrate::MigrateRequest::Mode::kAuto;
  if (word == "live") return migrate::MigrateRequest::Mode::kLive;
  if (word == "cold") return migrate::MigrateRequest::Mode::kCold;
  return fail(Code::kInvalid, "mode '{}' is none of auto, live, cold", word);
}

Result<migrate::MigrateRequest> decode(const Json& body) {
  migrate::MigrateRequest request;
  request.vm = SEALIFT_TRY(json::text(body, "vm"));
  const std::string to = SEALIFT_TRY(json::text(body, "to"));
  request.to = SEALIFT_TRY(ledger::HostName::parse(to));
  request.mode = SEALIFT_TRY(mode_of(json::text(body, "mode").value_or("auto")));
  request.max_downtime_ms = json::number(body, "max_downtime_ms").value_or(request.max_downtime_ms);
  request.bandwidth = json::number(body, "bandwidth").value_or(0);
  request.patience_ms = json::number(body, "patience_ms").value_or(request.patience_ms);
  const std::uint64_t streams = json::number(body, "streams").value_or(request.streams);
  if (streams < 1 || streams > 8) return fail(Code::kInvalid, "streams: 1 to 8");
  request.streams = static_cast<std::uint32_t>(streams);
  request.map_networks = SEALIFT_TRY(mapping(body, "map_net"));
  request.map_pools = SEALIFT_TRY(mapping(body, "map_pool"));
  request.drop_snapshots = json::boolean(body, "drop_snapshots").value_or(false);
  request.dry_run = json::boolean(body, "dry_run").value_or(false);
  return request;
}

Result<Json> begin(migrate::MoveManager& moves, const Request& request, const Stop& stop) {
  const migrate::MigrateRequest wanted = SEALIFT_TRY(decode(request.body));
  const migrate::MigrateAnswer answer = SEALIFT_TRY(moves.migrate(wanted, Deadline::in(kLedgerWait), stop));
  Json out = {{"refused", answer.refused},        {"vm_is", answer.vm_is},       {"checks", answer.checks},
              {"expected", answer.expected.text}, {"warnings", answer.warnings}, {"map", answer.mapped}};
  if (answer.expected.known)
    out["estimate"] = {{"total_ms", answer.expected.total_ms},
                       {"pause_ms", answer.expected.pause_ms},
                       {"converges", answer.expected.converges}};
  if (answer.id) out["id"] = answer.id->hex();
  return out;
}

Result<Json> watch(migrate::MoveManager& moves, const Request& request, const Stop& stop) {
  const std::string& id = request.captures[0];
  const std::uint64_t wait = std::min(SEALIFT_TRY(request.query_number("wait_ms", 0)), kWaitMax);
  if (wait == 0) return migrate::to_json(SEALIFT_TRY(moves.find(id)));
  const std::uint64_t after = SEALIFT_TRY(request.query_number("after", 0));
  return migrate::to_json(SEALIFT_TRY(moves.wait_change(id, after, Deadline::in(Milliseconds(wait)), stop)));
}

Result<Json> tune(migrate::MoveManager& moves, const Request& request) {
  std::optional<std::uint64_t> bandwidth;
  std::optional<std::uint64_t> downtime;
  if (json::has(request.body, "bandwidth")) bandwidth = SEALIFT_TRY(json::number(request.body, "bandwidth"));
  if (json::has(request.body, "max_downtime_ms"))
    downtime = SEALIFT_TRY(json::number(request.body, "max_downtime_ms"));
  if (!bandwidth && !downtime)
    return fail(Code::kInvalid, "nothing to change: give --bandwidth or --max-downtime");
  return Json{{"message", SEALIFT_TRY(moves.tune(request.captures[0], bandwidth, downtime))}};
}

}  // namespace

void add_move_routes(HttpServer& server, migrate::MoveManager& moves, const Stop& stop) {
  server.post("/v1/moves", [&moves, stop](const Request& request) { return begin(moves, request, stop); });
  server.get("/v1/moves", [&moves](const Request&) -> Result<Json> {
    Json list = Json::array();
    for (const migrate::MoveProgress& move : moves.moves()) list.push_back(migrate::to_json(move));
    return Json{{"moves", list}};
  });
  server.get("/v1/moves/{}", [&moves, stop](const Request& request) { return watch(moves, request, stop); });
  server.post("/v1/moves/{}/abort", [&moves](const Request& request) -> Result<Json> {
    return Json{{"message", SEALIFT_TRY(moves.abort(request.captures[0]))}};
  });
  server.post("/v1/moves/{}/tune", [&moves](const Request& request) { return tune(moves, request); });
}

}  // namespace sealift::api
