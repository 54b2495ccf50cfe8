#include "app/ownership.hpp"

#include "base/log.hpp"
#include "crypto/digest.hpp"

namespace sealift::app {

namespace {

constexpr Milliseconds kLookEvery{1'000};
constexpr Milliseconds kRegisterWithin{30'000};

}  // namespace

OwnershipWatch::OwnershipWatch(domain::Node& node, host::Host& host, host::VmRecords& records,
                               migrate::MoveManager& moves)
    : node_(node), host_(host), records_(records), moves_(moves), thread_([this] { run(); }) {}

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
  register_missing(*state, self);
}

// What an expelled host gets is the proof of its expulsion and of the new owners; a member sees the state
// itself.
void OwnershipWatch::fence_foreign(const ledger::HostName& self) {
  const auto proof = node_.expelled();
  for (const host::VmView& vm : host_.list()) {
    if (vm.state == host::VmState::kFrozen || !vm.machine) continue;
    std::string owner;
    // A move's driver sees the state itself. The state is read after the move was seen to be over: an older
    // one may not have the commit that brought the VM here.
    if (!moves_.unfinished(vm.id)) {
      const auto known = node_.final_state()->vm(vm.id);
      if (known && known->owner != self) owner = known->owner.text();
    }
    // What came after the expulsion is in no state here, so no move's driver sees it.
    if (proof) {
      for (const auto& changed : proof->new_owners) {
        if (changed.vm == vm.id && changed.owner != self) owner = changed.owner.text();
      }
    }
    if (owner.empty()) continue;
    const std::string why = fmt::format(
        "the ledger says that {} owns it now: stopped and frozen here; its disks stay as they are", owner);
    log_error("vm.fenced", {{"vm", vm.definition.name}, {"owner", owner}});
    if (const Status fenced = host_.fence(vm.id, why); !fenced) {
      log_error("vm.fence_failed", {{"vm", vm.definition.name}, {"error", fenced.error().message}});
    }
  }
}

void OwnershipWatch::register_missing(const ledger::State& state, const ledger::HostName& self) {
  if (!state.member(self)) return;
  for (const host::VmView& vm : host_.list()) {
    if (state.vm(vm.id) || vm.held_by || moves_.unfinished(vm.id)) continue;
    const crypto::Digest definition = crypto::sha256(hypervisor::canonical_bytes(vm.definition));
    const Status done = records_.registered(vm.id, definition, Deadline::in(kRegisterWithin), stop_.token());
    if (!done) log_warning("vm.register", {{"vm", vm.definition.name}, {"error", done.error().message}});
  }
}

}  // namespace sealift::app
