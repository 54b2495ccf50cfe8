#include "traffic/event.hpp"

#include <algorithm>
#include <array>

namespace sealift::traffic {

namespace {

constexpr std::array<std::string_view, 4> kWords{"moving", "switching", "moved", "aborted"};

bool printable(std::string_view text, std::size_t bytes_max) {
  return text.size() <= bytes_max && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

Result<MoveEventKind> parse_kind(std::string_view word) {
  const auto found = std::ranges::find(kWords, word);
  if (found == kWords.end()) return fail(Code::kInvalid, "field 'event' names no event");
  return static_cast<MoveEventKind>(found - kWords.begin() + 1);
}

}  // namespace

std::string_view to_string(MoveEventKind kind) {
  return kWords[static_cast<std::size_t>(kind) - 1];
}

Json to_json(const MoveEvent& event) {
  Json json = {{"number", event.number},    {"event", to_string(event.kind)},
               {"move", event.move.hex()},  {"vm", event.vm.text()},
               {"name", event.name},        {"epoch", event.epoch.value},
               {"from", event.from.text()}, {"to", event.to.text()}};
  if (!event.address.empty()) json["address"] = event.address;
  return json;
}

Result<MoveEvent> parse_event(const Json& json) {
  MoveEvent event;
  event.number = SEALIFT_TRY(json::number(json, "number"));
  const std::string kind = SEALIFT_TRY(json::text(json, "event"));
  event.kind = SEALIFT_TRY(parse_kind(kind));
  event.move = SEALIFT_TRY(json::id<ledger::MoveId>(json, "move"));
  event.vm = SEALIFT_TRY(json::id<ledger::VmId>(json, "vm"));
  event.name = SEALIFT_TRY(json::text(json, "name"));
  if (event.name.empty() || !printable(event.name, kVmNameBytesMax))
    return fail(Code::kInvalid, "field 'name' is no name of a VM");
  event.epoch = {SEALIFT_TRY(json::number(json, "epoch"))};
  event.from = SEALIFT_TRY(json::id<ledger::HostName>(json, "from"));
  event.to = SEALIFT_TRY(json::id<ledger::HostName>(json, "to"));
  if (json::has(json, "address")) event.address = SEALIFT_TRY(json::text(json, "address"));
  if (!printable(event.address, kAddressBytesMax))
    return fail(Code::kInvalid, "field 'address' is no address");
  return event;
}

Json to_json(const Batch& batch) {
  Json events = Json::array();
  for (const MoveEvent& event : batch.events) events.push_back(to_json(event));
  return {
      {"stream", batch.stream}, {"whole", batch.whole}, {"last", batch.last}, {"events", std::move(events)}};
}

Result<Batch> parse_batch(const Json& json) {
  Batch batch;
  batch.stream = SEALIFT_TRY(json::text(json, "stream"));
  if (batch.stream.size() != kStreamIdDigits || !unhex(batch.stream))
    return fail(Code::kInvalid, "field 'stream' is not {} hex digits", kStreamIdDigits);
  batch.whole = SEALIFT_TRY(json::boolean(json, "whole"));
  batch.last = SEALIFT_TRY(json::number(json, "last"));
  const Json events = SEALIFT_TRY(json::array(json, "events"));
  if (events.size() > kBatchEventsMax)
    return fail(Code::kInvalid, "more than {} events at once", kBatchEventsMax);
  std::uint64_t before = 0;
  for (const Json& item : events) {
    batch.events.push_back(SEALIFT_TRY(parse_event(item)));
    const std::uint64_t number = batch.events.back().number;
    if (number <= before || number > batch.last)
      return fail(Code::kInvalid, "event {} after {} of {} is out of order", number, before, batch.last);
    before = number;
  }
  return batch;
}

}  // namespace sealift::traffic
