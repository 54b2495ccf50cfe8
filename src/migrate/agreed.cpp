#include "migrate/agreed.hpp"

#include "base/json.hpp"

namespace sealift::migrate {

namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kTextBytesMax = 2 * 1024 * 1024;

ledger::MoveMode ledger_mode(const Agreed& agreed) {
  return agreed.request.vm.live ? ledger::MoveMode::kLive : ledger::MoveMode::kCold;
}

std::vector<ledger::OfferedDisk> offered_disks(const Agreed& agreed) {
  std::vector<ledger::OfferedDisk> disks;
  for (const IncomingDisk& disk : agreed.request.vm.disks)
    disks.push_back({disk.name, disk.format, disk.virtual_bytes});
  return disks;
}

std::string cut(const std::string& text) {
  return text.substr(0, ledger::kTextBytesMax);
}

}  // namespace

std::string encode_agreed(const Agreed& agreed) {
  return json::dump({{"agreed", kVersion},
                     {"request", protocol::to_json(agreed.request)},
                     {"domain", agreed.domain.hex()},
                     {"from", agreed.from.text()},
                     {"to", agreed.to.text()},
                     {"epoch", agreed.epoch.value},
                     {"deadline_ms", agreed.deadline_ms},
                     {"max_downtime_ms", agreed.max_downtime_ms},
                     {"streams", agreed.streams},
                     {"patience_ms", agreed.patience_ms},
                     {"write_bytes_per_second", agreed.write_bytes_per_second},
                     {"checks", agreed.checks},
                     {"expected", agreed.expected},
                     {"warnings", agreed.warnings},
                     {"mapped", agreed.mapped}});
}

Result<Agreed> decode_agreed(const std::string& text) {
  const Json json = SEALIFT_TRY(json::parse(text, kTextBytesMax));
  const std::uint64_t version = SEALIFT_TRY(json::number(json, "agreed"));
  if (version != kVersion)
    return fail(Code::kUnsupported, "the journal's move has version {}, this build reads version {}", version,
                kVersion);
  Agreed agreed;
  const Json request = SEALIFT_TRY(json::object(json, "request"));
  agreed.request = SEALIFT_TRY(protocol::parse_request(request));
  agreed.domain = SEALIFT_TRY(json::id<ledger::DomainId>(json, "domain"));
  agreed.from = SEALIFT_TRY(json::id<ledger::HostName>(json, "from"));
  agreed.to = SEALIFT_TRY(json::id<ledger::HostName>(json, "to"));
  agreed.epoch.value = SEALIFT_TRY(json::number(json, "epoch"));
  agreed.deadline_ms = SEALIFT_TRY(json::number(json, "deadline_ms"));
  agreed.max_downtime_ms = SEALIFT_TRY(json::number(json, "max_downtime_ms"));
  const std::uint64_t streams = SEALIFT_TRY(json::number(json, "streams"));
  if (streams > UINT32_MAX) return fail(Code::kInvalid, "field 'streams' is too large");
  agreed.streams = static_cast<std::uint32_t>(streams);
  // Of a move that an older build began, these are not there.
  agreed.patience_ms = json::number(json, "patience_ms").value_or(agreed.patience_ms);
  agreed.write_bytes_per_second = json::number(json, "write_bytes_per_second").value_or(0);
  agreed.expected = json::text(json, "expected").value_or("");
  agreed.warnings = json::texts(json, "warnings");
  agreed.checks = SEALIFT_TRY(json::text(json, "checks"));
  agreed.mapped = SEALIFT_TRY(json::text(json, "mapped"));
  return agreed;
}

Result<Bytes> make_move_record(const Agreed& agreed, const ledger::MoveId& move, custody::RecordKind kind,
                               std::uint64_t number, ByteView seal, const std::string& words,
                               const crypto::Identity& signer) {
  const ledger::MoveStamp stamp{agreed.request.vm.id, agreed.epoch, number, move};
  const auto make = [&](const ledger::Body& body) {
    return ledger::make_record(agreed.domain, body, signer);
  };
  switch (kind) {
    case custody::RecordKind::kOffer:
      return fail(Code::kInternal, "an offer is made before its move has an id");
    case custody::RecordKind::kAccept: return make(ledger::MoveAccept{stamp});
    case custody::RecordKind::kCommit:
      return make(ledger::MoveCommit{stamp, Bytes(seal.begin(), seal.end())});
    case custody::RecordKind::kAbort: return make(ledger::MoveAbort{stamp, cut(words)});
    case custody::RecordKind::kStarted: return make(ledger::MoveStarted{stamp, cut(words)});
    case custody::RecordKind::kReturn: {
      ledger::MoveStamp back = stamp;
      ++back.epoch.value;
      return make(ledger::MoveReturn{back, cut(words)});
    }
    case custody::RecordKind::kClosed: return make(ledger::MoveClosed{stamp, cut(words)});
  }
  return fail(Code::kInternal, "no such record");
}

ledger::MoveOffer make_offer(const Agreed& agreed, std::uint64_t number) {
  ledger::MoveOffer offer;
  offer.vm = agreed.request.vm.id;
  offer.epoch = agreed.epoch;
  offer.number = number;
  offer.from = agreed.from;
  offer.to = agreed.to;
  offer.mode = ledger_mode(agreed);
  offer.disks = offered_disks(agreed);
  offer.deadline_ms = agreed.deadline_ms;
  return offer;
}

Status compare_offer(const ledger::Move& offered, const Agreed& agreed) {
  const auto differs = [](std::string_view what) {
    return fail(Code::kRefused, "the ledger's offer names another {} than the request: nothing is accepted",
                what);
  };
  if (offered.vm != agreed.request.vm.id) return differs("VM");
  if (offered.from != agreed.from) return differs("source");
  if (offered.to != agreed.to) return differs("destination");
  if (offered.mode != ledger_mode(agreed)) return differs("mode");
  if (offered.disks != offered_disks(agreed)) return differs("set of disks");
  return {};
}

}  // namespace sealift::migrate
