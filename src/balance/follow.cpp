#include "balance/follow.hpp"

#include "base/log.hpp"

namespace sealift::balance {

namespace {

// Moved and aborted both end a move: the first of them counts.
int rank(MovePhase phase) {
  return phase == MovePhase::kMoving ? 0 : phase == MovePhase::kSwitching ? 1 : 2;
}

}  // namespace

std::string_view to_string(MovePhase phase) {
  switch (phase) {
    case MovePhase::kMoving: return "moving";
    case MovePhase::kSwitching: return "switching";
    case MovePhase::kMoved: return "moved";
    case MovePhase::kAborted: return "aborted";
  }
  return "?";
}

Status MoveFollower::apply(const MoveEvent& event, Registry& registry, SteadyTime now) {
  const std::vector<ServerName> servers = registry.servers_of(event.vm, event.name);
  if (servers.empty()) return {};
  const auto [known, fresh] = moves_.try_emplace(event.vm);
  Move& move = known->second;
  const bool newer = fresh || event.epoch > move.epoch ||
                     (event.epoch == move.epoch && rank(event.phase) > rank(move.phase));
  if (!newer) return {};
  if (fresh || event.epoch > move.epoch) ++followed_;
  move = {event.name, event.from, event.epoch, event.phase, rank(event.phase) < 2};
  log_info("balance.move", {{"vm", event.name}, {"phase", to_string(event.phase)}, {"from", event.from}});
  for (const ServerName& server : servers) {
    SEALIFT_TRY_STATUS(registry.suspend_checks(server, move.open));
    if (event.phase == MovePhase::kMoving) continue;
    if (event.phase == MovePhase::kSwitching) {
      SEALIFT_TRY_STATUS(registry.hold(server, std::nullopt, now));
      continue;
    }
    if (event.phase == MovePhase::kMoved && event.address)
      SEALIFT_TRY_STATUS(registry.set_address(server, *event.address));
    SEALIFT_TRY_STATUS(registry.release(server, now));
  }
  return {};
}

void MoveFollower::fail_open(const std::string& vm, Move& move, const std::string& why, Registry& registry,
                             SteadyTime now) {
  move.open = false;
  ++failed_open_;
  for (const ServerName& server : registry.servers_of(vm, move.name)) {
    // Both can only fail for a server that left, and it was just found.
    (void)registry.suspend_checks(server, false);
    (void)registry.release(server, now);
  }
  log_warning("balance.move_unknown", {{"vm", move.name}, {"now", "plain behaviour"}, {"why", why}});
}

void MoveFollower::stream_connected(const std::string& host) {
  streams_[host] = {true, ""};
}

void MoveFollower::stream_lost(const std::string& host, const std::string& why, Registry& registry,
                               SteadyTime now) {
  streams_[host] = {false, why};
  for (auto& [vm, move] : moves_)
    if (move.open && move.from == host)
      fail_open(vm, move, host + "'s events are lost: " + why, registry, now);
}

void MoveFollower::told_whole(const std::string& host, const std::set<std::string>& vms, Registry& registry,
                              SteadyTime now) {
  for (auto& [vm, move] : moves_)
    if (move.open && move.from == host && !vms.contains(vm))
      fail_open(vm, move, host + " knows of no move of it", registry, now);
}

Json MoveFollower::status() const {
  Json hosts = Json::array();
  for (const auto& [name, stream] : streams_)
    hosts.push_back({{"name", name}, {"connected", stream.connected}, {"why", stream.why}});
  Json moves = Json::array();
  for (const auto& [vm, move] : moves_)
    if (move.open)
      moves.push_back(
          {{"vm", vm}, {"name", move.name}, {"phase", to_string(move.phase)}, {"from", move.from}});
  return {{"hosts", std::move(hosts)},
          {"moves", std::move(moves)},
          {"followed", followed_},
          {"failed_open", failed_open_}};
}

}  // namespace sealift::balance
