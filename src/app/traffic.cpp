#include "app/traffic.hpp"

#include "base/log.hpp"

namespace sealift::app {

using traffic::MoveEventKind;

std::optional<std::uint64_t> HostTraffic::publish(const migrate::TrafficMove& move, MoveEventKind kind) {
  traffic::MoveEvent event;
  event.kind = kind;
  event.move = move.id;
  event.vm = move.vm;
  event.name = move.vm_name;
  event.epoch = move.epoch;
  event.from = move.from;
  event.to = move.to;
  const auto address = addresses_.find(move.vm_name);
  if (kind == MoveEventKind::kMoved && move.to == self_ && address != addresses_.end())
    event.address = address->second;
  const auto number = stream_.publish(std::move(event));
  if (number) return *number;
  log_error("traffic.unpublished", {{"vm", move.vm_name},
                                    {"event", to_string(kind)},
                                    {"why", number.error().message},
                                    {"so", "load balancers treat the VM like any other server"}});
  return std::nullopt;
}

void HostTraffic::moving(const migrate::TrafficMove& move) {
  publish(move, MoveEventKind::kMoving);
}

migrate::TrafficHold HostTraffic::switching(const migrate::TrafficMove& move, Milliseconds longest) {
  const auto number = publish(move, MoveEventKind::kSwitching);
  if (!number) return {};
  traffic::EventStream::Acknowledged held = stream_.wait_acknowledged(*number, longest);
  return {held.waited_ms, std::move(held.by), std::move(held.missing)};
}

void HostTraffic::moved(const migrate::TrafficMove& move) {
  publish(move, MoveEventKind::kMoved);
}

void HostTraffic::aborted(const migrate::TrafficMove& move) {
  publish(move, MoveEventKind::kAborted);
}

}  // namespace sealift::app
