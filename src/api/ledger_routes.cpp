#include <algorithm>

#include "api/services.hpp"

namespace sealift::api {

namespace {

constexpr std::size_t kLogRecordsMax = 10'000;

std::string signers_of(const crypto::UnverifiedEnvelope& envelope, const ledger::State& state) {
  std::string names;
  for (const crypto::EnvelopeSignature& signature : envelope.signatures()) {
    std::string name = signature.keyid.substr(0, 8);
    for (const ledger::Member& member : state.members()) {
      if (member.info.key.id().hex() == signature.keyid) name = member.info.name.text();
    }
    names += (names.empty() ? "" : " ") + name;
  }
  return names;
}

Json entry_json(const ledger::LogEntry& entry, const ledger::State& state) {
  Json out = {{"height", entry.height},
              {"time", to_iso8601(entry.time)},
              {"record", entry.id.hex()},
              {"final", entry.final}};
  if (const auto record = ledger::parse_record(entry.envelope)) {
    out["kind"] = ledger::kind_name(record->body);
    out["about"] = ledger::describe(record->body);
    out["signers"] = signers_of(record->envelope, state);
  }
  return out;
}

// The newest `count` when no height is named: heights hold few records each, so a window that is certainly
// large enough is read and cut.
Result<Json> log(domain::Node& node, const Request& request) {
  const std::uint64_t count =
      std::min<std::uint64_t>(SEALIFT_TRY(request.query_number("count", 50)), kLogRecordsMax);
  std::uint64_t from = SEALIFT_TRY(request.query_number("from", 0));
  const domain::NodeStatus status = node.status();
  const bool newest = from == 0;
  if (newest) from = status.height > count ? status.height - count + 1 : 1;
  auto entries = SEALIFT_TRY(node.log(from, newest ? kLogRecordsMax : count));
  if (newest && entries.size() > count)
    entries.erase(entries.begin(), entries.end() - static_cast<std::ptrdiff_t>(count));
  const auto state = node.final_state();
  Json records = Json::array();
  for (const ledger::LogEntry& entry : entries) records.push_back(entry_json(entry, *state));
  return Json{{"records", records}, {"height", status.height}, {"final_height", status.final_height}};
}

Result<Json> show(domain::Node& node, const std::string& digits) {
  if (digits.size() < 6)
    return fail(Code::kInvalid, "'{}': give at least six digits of the record's id", digits);
  const auto state = node.final_state();
  std::uint64_t from = 1;
  while (true) {
    const auto entries = SEALIFT_TRY(node.log(from, kLogRecordsMax));
    for (const ledger::LogEntry& entry : entries) {
      if (!entry.id.hex().starts_with(digits)) continue;
      Json out = entry_json(entry, *state);
      out["envelope"] = SEALIFT_TRY(json::parse(as_text(entry.envelope), ledger::kRecordBytesMax));
      const auto envelope = SEALIFT_TRY(crypto::parse_envelope(entry.envelope));
      out["statement"] =
          SEALIFT_TRY(json::parse(as_text(envelope.unverified_payload()), ledger::kRecordBytesMax));
      return out;
    }
    if (entries.size() < kLogRecordsMax)
      return fail(Code::kNotFound, "no record {} in this domain's ledger", digits);
    from = entries.back().height + 1;
  }
}

}  // namespace

void add_ledger_routes(HttpServer& server, domain::Node& node) {
  server.get("/v1/ledger", [&node](const Request& request) { return log(node, request); });
  server.get("/v1/ledger/records/{}",
             [&node](const Request& request) { return show(node, request.captures[0]); });
  server.get("/v1/ledger/receipts/{}", [&node](const Request& request) -> Result<Json> {
    const auto move = SEALIFT_TRY(ledger::MoveId::from_hex(request.captures[0]));
    const Bytes receipt = SEALIFT_TRY(node.receipt(move));
    return Json{{"receipt", std::string(as_text(receipt))}};
  });
}

}  // namespace sealift::api
