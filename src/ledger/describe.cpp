#include "ledger/record.hpp"

namespace sealift::ledger {

namespace {

std::string with_reason(std::string text, const std::string& reason) {
  return reason.empty() ? text : fmt::format("{}: {}", text, reason);
}
std::string brief(const MoveId& move) {
  return move.hex().substr(0, 8);
}

struct Describe {
  std::string operator()(const HostJoin& v) const {
    return fmt::format("host {} joins{}", v.host.name.text(),
                       v.host.witness_only ? " as a witness only" : "");
  }
  std::string operator()(const HostLeave& v) const { return fmt::format("host {} leaves", v.host.text()); }
  std::string operator()(const HostExpel& v) const {
    return with_reason(fmt::format("host {} is expelled", v.host.text()), v.reason);
  }
  std::string operator()(const HostUpdate& v) const {
    return fmt::format("host {} changes its {}", v.host.text(), v.next_key ? "key" : "endpoints");
  }
  std::string operator()(const RulesActivate& v) const {
    return fmt::format("rules version {} counts from block {} on", v.version, v.from_height);
  }
  std::string operator()(const DomainServe& v) const {
    return fmt::format("host {} serves the ledger in term {}", v.server.text(), v.term);
  }
  std::string operator()(const VmRegister& v) const {
    return fmt::format("VM {} is registered, owner {}", v.vm.text(), v.owner.text());
  }
  std::string operator()(const VmRetire& v) const {
    return with_reason(fmt::format("VM {} is retired", v.vm.text()), v.reason);
  }
  std::string operator()(const VmRest& v) const {
    return with_reason(fmt::format("VM {} is at rest, disks {}", v.vm.text(), v.root.hex()), v.reason);
  }
  std::string operator()(const VmStart& v) const {
    return with_reason(
        fmt::format("VM {} starts, {}", v.vm.text(), v.checked ? "its disks verified" : "unverified"),
        v.reason);
  }
  std::string operator()(const VmRecover& v) const {
    return with_reason(
        fmt::format("VM {} is recovered from {} to {}, epoch {}", v.vm.text(), v.lost.text(), v.owner.text(),
                    v.epoch.value),
        v.accepted.empty() ? v.fence : fmt::format("{}; its copy is accepted: {}", v.fence, v.accepted));
  }
  std::string operator()(const MoveOffer& v) const {
    return fmt::format("VM {} is offered by {} to {}, epoch {}, {}", v.vm.text(), v.from.text(), v.to.text(),
                       v.epoch.value, v.mode == MoveMode::kLive ? "live" : "cold");
  }
  std::string operator()(const MoveAccept& v) const {
    return fmt::format("move {} is accepted", brief(v.move));
  }
  std::string operator()(const MoveCommit& v) const {
    return fmt::format("move {} is committed: VM {} has a new owner, epoch {}", brief(v.move), v.vm.text(),
                       v.epoch.value);
  }
  std::string operator()(const MoveAbort& v) const {
    return with_reason(fmt::format("move {} is off", brief(v.move)), v.reason);
  }
  std::string operator()(const MoveStarted& v) const {
    return with_reason(fmt::format("move {}: the VM runs at its destination", brief(v.move)), v.how);
  }
  std::string operator()(const MoveReturn& v) const {
    return with_reason(fmt::format("move {}: the VM goes back", brief(v.move)), v.reason);
  }
  std::string operator()(const MoveClosed& v) const {
    return with_reason(fmt::format("move {}: the source's copy is fenced", brief(v.move)), v.how);
  }
};

}  // namespace

std::string describe(const Body& body) {
  return std::visit(Describe{}, body);
}

}  // namespace sealift::ledger
