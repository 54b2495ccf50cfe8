#include "migrate/protocol.hpp"

#include "base/text.hpp"
#include "migrate/protocol_fields.hpp"

namespace sealift::migrate::protocol {

namespace {

Result<std::vector<std::string>> read_texts(const Json& object, std::string_view field) {
  const Json array = SEALIFT_TRY(json::array(object, field));
  if (array.size() > kReasonsMax)
    return fail(Code::kInvalid, "field '{}' holds more than {} texts", field, kReasonsMax);
  std::vector<std::string> texts;
  for (const Json& text : array) {
    if (!text.is_string()) return fail(Code::kInvalid, "field '{}' holds something else than texts", field);
    texts.push_back(printable(text.get<std::string>().substr(0, kReasonBytesMax)));
  }
  return texts;
}

Result<double> read_ms(const Json& object, std::string_view field) {
  if (!json::has(object, field) || !object.at(std::string(field)).is_number())
    return fail(Code::kInvalid, "field '{}' is not a number", field);
  return object.at(std::string(field)).get<double>();
}

Result<Request> read_request(const Json& object) {
  const Json json = SEALIFT_TRY(json::object(object, "request"));
  return parse_request(json);
}

Result<hypervisor::HypervisorFacts> read_facts(const Json& object) {
  const Json json = SEALIFT_TRY(json::object(object, "facts"));
  return hypervisor::facts_from_json(json);
}

Json texts(const std::vector<std::string>& list) {
  Json array = Json::array();
  for (const std::string& text : list) array.push_back(text.substr(0, kReasonBytesMax));
  return array;
}

struct Put {
  Json operator()(const Check& m) const {
    return {{"type", "check"},
            {"protocol", kProtocol},
            {"request", to_json(m.request)},
            {"facts", hypervisor::to_json(m.facts)}};
  }
  Json operator()(const Checked& m) const {
    return {{"type", "checked"},
            {"refused", texts(m.refused)},
            {"mapped", texts(m.mapped)},
            {"facts", hypervisor::to_json(m.facts)},
            {"clock_ms", m.clock_ms}};
  }
  Json operator()(const Probe& m) const { return {{"type", "probe"}, {"streams", m.streams}}; }
  Json operator()(const Begin& m) const {
    return {
        {"type", "begin"}, {"protocol", kProtocol}, {"move", m.move.hex()}, {"request", to_json(m.request)}};
  }
  Json operator()(const Receiving&) const { return {{"type", "receiving"}}; }
  Json operator()(const Round& m) const {
    return {{"type", "round"}, {"number", m.number}, {"last", m.last}};
  }
  Json operator()(const RoundDurable& m) const { return {{"type", "round_durable"}, {"number", m.number}}; }
  Json operator()(const Ready&) const { return {{"type", "ready"}}; }
  Json operator()(const SealMessage& m) const { return {{"type", "seal"}, {"envelope", base64(m.envelope)}}; }
  Json operator()(const Timing& m) const {
    return {{"type", "timing"},
            {"compare_ms", m.compare_ms},
            {"ledger_ms", m.ledger_ms},
            {"start_ms", m.start_ms},
            {"running_after_ms", m.running_after_ms}};
  }
  Json operator()(const Cancelled& m) const {
    return {{"type", "cancelled"}, {"reason", m.reason.substr(0, kReasonBytesMax)}};
  }
};

Status check_protocol(const Json& json) {
  const std::uint64_t protocol = SEALIFT_TRY(json::number(json, "protocol"));
  if (protocol == kProtocol) return {};
  return fail(Code::kUnsupported,
              "the other side speaks move protocol {}, this one {}: upgrade the older one", protocol,
              kProtocol);
}

Result<Message> read_check(const Json& json) {
  SEALIFT_TRY_STATUS(check_protocol(json));
  SEALIFT_TRY_STATUS(only(json, {"type", "protocol", "request", "facts"}));
  Check m;
  m.request = SEALIFT_TRY(read_request(json));
  m.facts = SEALIFT_TRY(read_facts(json));
  return m;
}

Result<Message> read_checked(const Json& json) {
  SEALIFT_TRY_STATUS(only(json, {"type", "refused", "mapped", "facts", "clock_ms"}));
  Checked m;
  m.refused = SEALIFT_TRY(read_texts(json, "refused"));
  m.mapped = SEALIFT_TRY(read_texts(json, "mapped"));
  m.facts = SEALIFT_TRY(read_facts(json));
  m.clock_ms = SEALIFT_TRY(json::number(json, "clock_ms"));
  return m;
}

Result<Message> read_begin(const Json& json) {
  SEALIFT_TRY_STATUS(check_protocol(json));
  SEALIFT_TRY_STATUS(only(json, {"type", "protocol", "move", "request"}));
  Begin m;
  m.move = SEALIFT_TRY(json::id<ledger::MoveId>(json, "move"));
  m.request = SEALIFT_TRY(read_request(json));
  return m;
}

Result<Message> read_timing(const Json& json) {
  SEALIFT_TRY_STATUS(only(json, {"type", "compare_ms", "ledger_ms", "start_ms", "running_after_ms"}));
  Timing m;
  m.compare_ms = SEALIFT_TRY(read_ms(json, "compare_ms"));
  m.ledger_ms = SEALIFT_TRY(read_ms(json, "ledger_ms"));
  m.start_ms = SEALIFT_TRY(read_ms(json, "start_ms"));
  m.running_after_ms = SEALIFT_TRY(read_ms(json, "running_after_ms"));
  return m;
}

Result<Message> read_small(const std::string& type, const Json& json) {
  if (type == "receiving" || type == "ready") {
    SEALIFT_TRY_STATUS(only(json, {"type"}));
    if (type == "ready") return Ready{};
    return Receiving{};
  }
  if (type == "probe") {
    SEALIFT_TRY_STATUS(only(json, {"type", "streams"}));
    const std::uint64_t streams = SEALIFT_TRY(json::number(json, "streams"));
    if (streams < 1 || streams > kProbeStreamsMax)
      return fail(Code::kInvalid, "field 'streams' is not 1 to {}", kProbeStreamsMax);
    return Probe{streams};
  }
  if (type == "round") {
    SEALIFT_TRY_STATUS(only(json, {"type", "number", "last"}));
    const std::uint64_t number = SEALIFT_TRY(json::number(json, "number"));
    return Round{number, SEALIFT_TRY(json::boolean(json, "last"))};
  }
  if (type == "round_durable") {
    SEALIFT_TRY_STATUS(only(json, {"type", "number"}));
    return RoundDurable{SEALIFT_TRY(json::number(json, "number"))};
  }
  if (type == "seal") {
    SEALIFT_TRY_STATUS(only(json, {"type", "envelope"}));
    const std::string envelope = SEALIFT_TRY(json::text(json, "envelope"));
    return SealMessage{SEALIFT_TRY(unbase64(envelope))};
  }
  if (type == "cancelled") {
    SEALIFT_TRY_STATUS(only(json, {"type", "reason"}));
    return Cancelled{printable(SEALIFT_TRY(json::text(json, "reason")).substr(0, kReasonBytesMax))};
  }
  return fail(Code::kInvalid, "unknown type '{}'", type.substr(0, 64));
}

Result<Message> read(const Json& json) {
  const std::string type = SEALIFT_TRY(json::text(json, "type"));
  if (type == "check") return read_check(json);
  if (type == "checked") return read_checked(json);
  if (type == "begin") return read_begin(json);
  if (type == "timing") return read_timing(json);
  return read_small(type, json);
}

}  // namespace

Bytes encode(const Message& message) {
  return to_bytes(json::dump(std::visit(Put{}, message)));
}

Result<Message> decode(ByteView bytes) {
  auto json = json::parse(as_text(bytes), kMessageBytesMax);
  if (!json) return because(json.error(), "a message of the move");
  auto message = read(*json);
  if (!message) return because(message.error(), "a message of the move");
  return message;
}

std::string_view type_of(const Message& message) {
  static constexpr std::string_view kTypes[] = {"check",     "checked", "probe",         "begin",
                                                "receiving", "round",   "round_durable", "ready",
                                                "seal",      "timing",  "cancelled"};
  static_assert(std::size(kTypes) == std::variant_size_v<Message>);
  return kTypes[message.index()];
}

}  // namespace sealift::migrate::protocol
