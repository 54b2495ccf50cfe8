#include "app/ownership.hpp"

#include "base/log.hpp"
#include "crypto/digest.hpp"

namespace sealift::app {

namespace {

constexpr Milliseconds kLookEvery{1'000};
constexpr Milliseconds kRegisterWithin{30'000};

}  // namespace

OwnershipWatch::OwnershipWatch(domain::Node& node, host::Host& host, host::VmRecords& records,
                               migrate::MoveManager& moves, Recovery& recovery)
    : node_(node), host_(host), records_(records), moves_(moves), recovery_(recovery), thread_([this] {
        run();
      }) {}

OwnershipWatch::~OwnershipWatch() {
  stop_.stop();
}

void OwnershipWatch::look_soon() {
  soon_.store(true);
}

void OwnershipWatch::run() {
  std::uint64_t height = 0;
  while (!stop_.stopped()) {
    look();
    // A new final block wakes it at once; the rest is looked at now and then.
    const auto next = node_.wait_beyond(height, Deadline::in(kLookEvery), stop_.token());
    if (next) height = *next;
    if (!next && next.error().code != Code::kTimeout) stop_.token().sleep(Milliseconds(200));
    if (soon_.exchange(false)) height = 0;
  }
}

void OwnershipWatch::look() {
  const auto state = node_.final_state();
  const ledger::HostName self = node_.status().self;
  fence_foreign(self);
  recovery_.look();
  register_missing(*state, self);
}

// Whose a VM of this host's inventory is now, if not this host's. What an expelled host gets is the proof of
// its expulsion and of the new owners; a member sees the state itself.
std::optional<ledger::HostName> OwnershipWatch::other_owner(
    const ledger::VmId& vm, const ledger::HostName& self,
    const std::optional<domain::ExpulsionProof>& proof) {
  // What came after the expulsion is in no state here, so no move's driver sees it.
  if (proof) {
    for (const auto& changed : proof->new_owners) {
      if (changed.vm == vm && changed.owner != self) return changed.owner;
    }
  }
  // A move's driver sees the state itself. The state is read after the move was seen to be over: an older one
  // may not have the commit that brought the VM here.
  if (moves_.may_be_unfinished(vm)) return std::nullopt;
  const auto known = node_.final_state()->vm(vm);
  if (known && known->owner != self) return known->owner;
  return std::nullopt;
}

void OwnershipWatch::fence_foreign(const ledger::HostName& self) {
  const auto proof = node_.expelled();
  for (const host::VmView& vm : host_.list()) {
    const auto owner = other_owner(vm.id, self, proof);
    if (!owner) continue;
    const Status fenced = host_.fence(
        vm.id,
        fmt::format(
            "the ledger says that {} owns it now: stopped and frozen here, its disks stay as they are. Set "
            "this copy aside: sealift vm kill, then sealift vm remove",
            owner->text()));
    if (!fenced)
      log_error("vm.fence_failed", {{"vm", vm.definition.name}, {"error", fenced.error().message}});
  }
}

void OwnershipWatch::register_missing(const ledger::State& state, const ledger::HostName& self) {
  if (!state.member(self)) return;
  for (const host::VmView& vm : host_.list()) {
    if (state.vm(vm.id) || vm.held_by || moves_.may_be_unfinished(vm.id)) continue;
    const crypto::Digest definition = crypto::sha256(hypervisor::canonical_bytes(vm.definition));
    const Status done = records_.registered(vm.id, definition, Deadline::in(kRegisterWithin), stop_.token());
    if (!done) log_warning("vm.register", {{"vm", vm.definition.name}, {"error", done.error().message}});
  }
}

}  // namespace sealift::app
