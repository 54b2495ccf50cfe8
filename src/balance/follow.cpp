#include "balance/follow.hpp"

#include "base/log.hpp"

namespace sealift::balance {

Status MoveFollower::apply(const MoveEvent& event, Registry& registry, SteadyTime now) {
  const auto server = registry.find_vm(event.vm);
  if (!server) return {};
  Move& move = moves_[event.vm];
  if (event.sequence <= move.sequence) return {};
  move.sequence = event.sequence;
  move.heard = now;
  move.open = event.phase == MovePhase::kMoving || event.phase == MovePhase::kSwitching;
  SEALIFT_TRY_STATUS(registry.suspend_checks(*server, move.open));
  switch (event.phase) {
    case MovePhase::kMoving: return {};
    case MovePhase::kSwitching: return registry.hold(*server, std::nullopt, now);
    case MovePhase::kMoved:
      if (event.address) SEALIFT_TRY_STATUS(registry.set_address(*server, *event.address));
      return registry.release(*server, now);
    case MovePhase::kAborted: return registry.release(*server, now);
  }
  return {};
}

void MoveFollower::forget(const std::string& vm, Move& move, Registry& registry, SteadyTime now) {
  move.open = false;
  const auto server = registry.find_vm(vm);
  if (!server) return;
  // Both can only fail for a server that left, and it was just found.
  (void)registry.suspend_checks(*server, false);
  (void)registry.release(*server, now);
  log_warning("balance.move_unknown", {{"vm", vm}, {"server", server->server}, {"now", "plain behaviour"}});
}

void MoveFollower::stream_lost(Registry& registry, SteadyTime now) {
  for (auto& [vm, move] : moves_)
    if (move.open) forget(vm, move, registry, now);
}

void MoveFollower::tick(Registry& registry, SteadyTime now) {
  for (auto& [vm, move] : moves_)
    if (move.open && now - move.heard >= kSilenceMax) forget(vm, move, registry, now);
}

}  // namespace sealift::balance
