#include "migrate/progress.hpp"

namespace sealift::migrate {

std::string_view to_string(MoveRole role) {
  return role == MoveRole::kSource ? "source" : "destination";
}

namespace {

std::string state_of(const MoveProgress& progress) {
  if (!progress.ended || !progress.outcome) return "running";
  switch (*progress.outcome) {
    case custody::Outcome::kMoved: return "done";
    case custody::Outcome::kAborted: return "aborted";
    case custody::Outcome::kReturned: return "returned";
    case custody::Outcome::kLost: return "lost";
    case custody::Outcome::kRecovered: return "recovered";
  }
  return "running";
}

Json disks_json(const std::vector<DiskProgress>& disks) {
  Json array = Json::array();
  for (const DiskProgress& disk : disks)
    array.push_back({{"name", disk.name},
                     {"total_bytes", disk.total_bytes},
                     {"done_bytes", disk.done_bytes},
                     {"sent_bytes", disk.sent_bytes},
                     {"had_bytes", disk.had_bytes},
                     {"round", disk.round}});
  return array;
}

Json memory_json(const MemoryProgress& memory) {
  return {{"total_bytes", memory.total_bytes},
          {"transferred_bytes", memory.transferred_bytes},
          {"remaining_bytes", memory.remaining_bytes},
          {"bytes_per_second", memory.bytes_per_second},
          {"dirty_bytes_per_second", memory.dirty_bytes_per_second},
          {"pass", memory.pass},
          {"seconds_left", memory.seconds_left}};
}

Json report_json(const MoveReport& report) {
  Json parts = Json::object();
  for (const auto& [name, ms] : report.pause_parts_ms) parts[name] = ms;
  Json json = {{"total_ms", report.total_ms}, {"pause_ms", report.pause_ms}, {"pause_parts_ms", parts},
               {"verified", report.verified}, {"source", report.source},     {"receipt", report.receipt}};
  if (!report.kept_until.empty()) json["kept_until"] = report.kept_until;
  if (report.hold)
    json["hold"] = {
        {"waited_ms", report.hold->waited_ms}, {"by", report.hold->by}, {"missing", report.hold->missing}};
  return json;
}

}  // namespace

Json to_json(const MoveProgress& progress) {
  Json json = {{"id", progress.id.hex()},
               {"vm", progress.vm_name},
               {"vm_id", progress.vm.text()},
               {"from", progress.from.text()},
               {"to", progress.to.text()},
               {"role", to_string(progress.role)},
               {"mode", progress.mode == custody::MoveMode::kLive ? "live" : "cold"},
               {"state", state_of(progress)},
               {"phase", progress.phase},
               {"ended", progress.ended},
               {"message", progress.message},
               {"disks", disks_json(progress.disks)},
               {"memory", progress.memory ? memory_json(*progress.memory) : Json()},
               {"began", to_iso8601(progress.began)},
               {"version", progress.version}};
  const auto put = [&](const char* name, const std::string& text) {
    if (!text.empty()) json[name] = text;
  };
  put("problem", progress.problem);
  put("waiting", progress.waiting);
  if (progress.unanswered_since) json["unanswered_since"] = to_iso8601(*progress.unanswered_since);
  put("checks", progress.checks);
  put("expected", progress.expected);
  put("map", progress.mapped);
  put("switch", progress.switchover);
  if (!progress.warnings.empty()) json["warnings"] = progress.warnings;
  if (progress.report) json["report"] = report_json(*progress.report);
  return json;
}

namespace {

std::optional<custody::Outcome> outcome_of(const std::string& state) {
  if (state == "done") return custody::Outcome::kMoved;
  if (state == "aborted") return custody::Outcome::kAborted;
  if (state == "returned") return custody::Outcome::kReturned;
  if (state == "lost") return custody::Outcome::kLost;
  if (state == "recovered") return custody::Outcome::kRecovered;
  return std::nullopt;
}

MoveReport report_from(const Json& json) {
  MoveReport report;
  report.total_ms = json::number(json, "total_ms").value_or(0);
  if (json::has(json, "pause_ms") && json.at("pause_ms").is_number()) report.pause_ms = json.at("pause_ms");
  const Json parts =
      json::object(json, "pause_parts_ms").value_or(Json::object());  // named: items() only refers to it
  for (const auto& [name, ms] : parts.items())
    if (ms.is_number()) report.pause_parts_ms.emplace_back(name, ms.get<double>());
  report.verified = json::texts(json, "verified");
  report.source = json::text(json, "source").value_or("");
  report.kept_until = json::text(json, "kept_until").value_or("");
  report.receipt = json::text(json, "receipt").value_or("");
  if (const auto hold = json::object(json, "hold")) {
    report.hold = TrafficHold{.by = json::texts(*hold, "by"), .missing = json::texts(*hold, "missing")};
    if (json::has(*hold, "waited_ms") && hold->at("waited_ms").is_number())
      report.hold->waited_ms = hold->at("waited_ms");
  }
  return report;
}

}  // namespace

MoveProgress progress_from_json(const Json& json) {
  MoveProgress progress;
  const auto text = [&](std::string_view field) { return json::text(json, field).value_or(""); };
  progress.id = ledger::MoveId::from_hex(text("id")).value_or(ledger::MoveId{});
  progress.vm = ledger::VmId::parse(text("vm_id")).value_or(ledger::VmId{});
  progress.vm_name = text("vm");
  progress.from = ledger::HostName::parse(text("from")).value_or(ledger::HostName{});
  progress.to = ledger::HostName::parse(text("to")).value_or(ledger::HostName{});
  progress.role = text("role") == "source" ? MoveRole::kSource : MoveRole::kDestination;
  progress.mode = text("mode") == "live" ? custody::MoveMode::kLive : custody::MoveMode::kCold;
  progress.phase = text("phase");
  progress.ended = true;
  progress.outcome = outcome_of(text("state"));
  progress.message = text("message");
  progress.checks = text("checks");
  progress.expected = text("expected");
  progress.mapped = text("map");
  progress.warnings = json::texts(json, "warnings");
  progress.switchover = text("switch");
  progress.version = json::number(json, "version").value_or(1);
  for (const Json& disk : json::array(json, "disks").value_or(Json::array())) {
    const auto number = [&](std::string_view field) { return json::number(disk, field).value_or(0); };
    progress.disks.push_back({json::text(disk, "name").value_or(""), number("total_bytes"),
                              number("done_bytes"), number("sent_bytes"), number("had_bytes"),
                              number("round")});
  }
  if (json::has(json, "report")) progress.report = report_from(json.at("report"));
  return progress;
}

}  // namespace sealift::migrate
