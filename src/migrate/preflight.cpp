#include "migrate/preflight.hpp"

#include <algorithm>

namespace sealift::migrate {

namespace {

// What a live move needs of QEMU on either side.
constexpr std::string_view kCapabilities[] = {
    "events", "return-path", "switchover-ack", "multifd", "pause-before-switchover", "late-block-activate"};

bool has(const std::vector<std::string>& list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

void check_capabilities(Verdict& verdict, const hypervisor::HypervisorFacts& facts, const std::string& host) {
  for (const std::string_view capability : kCapabilities)
    verdict.check(has(facts.migration_capabilities, capability),
                  fmt::format("{}'s QEMU {} lacks the migration capability {}: upgrade it", host,
                              facts.version, capability));
}

void check_run_state(Verdict& verdict, const SourceFacts& facts) {
  const bool runs = facts.vm->machine != nullptr;
  const std::string& name = facts.vm->definition.name;
  if (!facts.live) {
    verdict.check(!runs,
                  fmt::format("{} runs: stop it first (sealift vm stop {}), or move it live", name, name));
    return;
  }
  verdict.check(runs, fmt::format("{} is powered off: start it, or move it cold", name));
  if (!runs) return;
  // Passed-through devices, a vTPM, a host's CD drive: QEMU knows what cannot move.
  std::vector<std::string> blocked;
  for (const std::string& reason : facts.blocked)
    blocked.push_back(
        fmt::format("{} has a device that cannot move while it runs (QEMU: {}): remove it, or move "
                    "it cold",
                    name, reason));
  verdict.add(std::move(blocked));
  verdict.check(
      facts.run_state == hypervisor::RunState::kRunning,
      facts.run_state == hypervisor::RunState::kSuspended
          ? fmt::format("{}'s guest is suspended: wake it first", name)
          : fmt::format("{}'s guest does not run at the moment: let it run, or power it off and move it "
                        "cold",
                        name));
}

void check_images(Verdict& verdict, const SourceFacts& facts) {
  for (std::size_t i = 0; i < facts.images.size() && i < facts.vm->definition.disks.size(); ++i) {
    const image::ImageInfo& image = facts.images[i];
    const auto& disk = facts.vm->definition.disks[i];
    verdict.check(image.internal_snapshots == 0 || facts.request->drop_snapshots,
                  fmt::format("{}: {} internal snapshots would be lost: --drop-snapshots", disk.name,
                              image.internal_snapshots));
    verdict.check(image.backing.empty(),
                  fmt::format("{}: it has the backing file {}: flatten it (qemu-img convert)", disk.name,
                              image.backing.substr(0, 200)));
    verdict.check(
        !image.external_data,
        fmt::format("{}: its data is in another file: make one image of it (qemu-img convert)", disk.name));
    verdict.check(!image.encrypted,
                  fmt::format("{}: it is encrypted by QEMU, with a key that does not travel: convert it, and "
                              "encrypt inside the guest",
                              disk.name));
    verdict.check(facts.live || !image.marked_dirty,
                  fmt::format("{}: its image was not closed in good order: start and stop the VM, or repair "
                              "it (qemu-img check -r all)",
                              disk.name));
    verdict.check(image.virtual_bytes == disk.size_bytes,
                  fmt::format("{}: the image holds {} bytes, the definition says {}: correct the definition",
                              disk.name, image.virtual_bytes, disk.size_bytes));
  }
}

void add_all(std::vector<std::string>& to, std::vector<std::string> more) {
  for (std::string& text : more)
    if (std::ranges::find(to, text) == to.end()) to.push_back(std::move(text));
}

void check_ledger(Verdict& verdict, const SourceFacts& facts) {
  const ledger::HostName& to = facts.request->to;
  const auto member = facts.state->member(to);
  verdict.check(to != facts.self, fmt::format("{} is this host", to.text()));
  verdict.check(member.has_value(),
                fmt::format("{} is no member of the domain: sealift domain members", to.text()));
  verdict.check(!member || !member->info.witness_only,
                fmt::format("{} is a witness and holds no VMs", to.text()));
  verdict.check(
      to == facts.self || !member || one_can_dial(*facts.state, facts.self, to),
      fmt::format("neither {0} nor {1} takes connections: give one of them an address that the other can "
                  "dial (there: sealift host update HOST:PORT)",
                  facts.self.text(), to.text()));
  verdict.check(!facts.unfinished,
                fmt::format("an earlier move of this VM is not finished: sealift moves show {}",
                            facts.unfinished ? facts.unfinished->hex().substr(0, 12) : ""));
  const auto vm = facts.state->vm(facts.vm->id);
  verdict.check(vm.has_value(),
                "the VM is not in the ledger yet: wait for its registration (sealift ledger log)");
  if (vm) {
    verdict.check(
        vm->owner == facts.self,
        fmt::format("the ledger says that {} owns the VM: this copy must not move", vm->owner.text()));
    verdict.check(!facts.live || !vm->rest_root,
                  "the VM is recorded as at rest: start it anew, or move it cold");
    const auto last = facts.state->last_move(facts.vm->id);
    verdict.check(!last || !last->open() || facts.unfinished,
                  fmt::format("the ledger has an open move of this VM ({}): it is being aborted, try again",
                              last ? last->id.hex().substr(0, 12) : ""));
  }
  verdict.check(
      facts.records_settled,
      "a record of the VM's last start, stop or move is not in the ledger yet: wait a moment and try again");
  verdict.check(
      facts.quorum_answered >= facts.quorum_needed,
      fmt::format("no quorum: {} of the {} members needed answer; bring them back, or nothing can be "
                  "committed",
                  facts.quorum_answered, facts.quorum_needed));
}

void warn_without_witness(Verdict& verdict, const SourceFacts& facts) {
  if (facts.state->members().size() != 2) return;
  verdict.warnings.push_back(fmt::format(
      "the domain has two members and no witness: should {} die in the last step, {} stays stopped until "
      "it is back; a third member, a witness, avoids that (sealift domain invite)",
      facts.request->to.text(), facts.vm->definition.name));
}

}  // namespace

void Verdict::take(Verdict other) {
  passed += other.passed;
  add_all(refused, std::move(other.refused));
  add_all(warnings, std::move(other.warnings));
}

void Verdict::check(bool holds, std::string reason_if_not) {
  if (holds)
    ++passed;
  else
    refused.push_back(std::move(reason_if_not));
}

void Verdict::add(std::vector<std::string> reasons) {
  if (reasons.empty()) ++passed;
  add_all(refused, std::move(reasons));
}

bool one_can_dial(const ledger::State& state, const ledger::HostName& a, const ledger::HostName& b) {
  const auto takes_connections = [&](const ledger::HostName& name) {
    const auto member = state.member(name);
    return member && !member->info.endpoints.empty();
  };
  return takes_connections(a) || takes_connections(b);
}

Verdict check_source(const SourceFacts& facts, const hypervisor::HypervisorFacts& hypervisor) {
  Verdict verdict;
  check_run_state(verdict, facts);
  check_images(verdict, facts);
  check_ledger(verdict, facts);
  warn_without_witness(verdict, facts);
  if (facts.live) check_capabilities(verdict, hypervisor, facts.self.text());
  return verdict;
}

Verdict check_destination(const DestinationFacts& facts, const hypervisor::HypervisorFacts& ours,
                          const hypervisor::HypervisorFacts& theirs, const IncomingPlan& plan) {
  Verdict verdict;
  const std::string& here = facts.self.text();
  const auto prefixed = [&](std::vector<std::string> reasons) {
    for (std::string& reason : reasons) reason = here + ": " + reason;
    return reasons;
  };
  verdict.add(prefixed(hypervisor::problems_running(facts.vm->definition, ours)));
  if (facts.vm->live) {
    check_capabilities(verdict, ours, here);
    verdict.check(
        facts.vm->definition.firmware != hypervisor::Firmware::kUefi ||
            ours.uefi_code_bytes == theirs.uefi_code_bytes,
        fmt::format("the UEFI firmware is {} bytes at {} and {} bytes at {}: install the same version",
                    theirs.uefi_code_bytes, facts.peer.text(), ours.uefi_code_bytes, here));
    verdict.check(ours.accelerator == theirs.accelerator,
                  fmt::format("{} runs guests with {}, {} with {}: move it cold", facts.peer.text(),
                              to_string(theirs.accelerator), here, to_string(ours.accelerator)));
  }
  const std::uint64_t apart = facts.clock_ms > facts.source_clock_ms ? facts.clock_ms - facts.source_clock_ms
                                                                     : facts.source_clock_ms - facts.clock_ms;
  verdict.check(apart <= facts.skew_ms,
                fmt::format("the clocks of {} and {} are {} s apart, {} s are allowed: set them",
                            facts.peer.text(), here, apart / 1000, facts.skew_ms / 1000));
  verdict.check(!facts.unfinished,
                fmt::format("{}: an earlier move of this VM ({}) is not finished there", here,
                            facts.unfinished ? facts.unfinished->hex().substr(0, 12) : ""));
  verdict.check(facts.incoming < facts.incoming_max,
                fmt::format("{} takes in {} moves at once, and {} are under way: wait", here,
                            facts.incoming_max, facts.incoming));
  verdict.check(facts.state->member(facts.self).has_value(), fmt::format("{} is no member any more", here));
  verdict.add(prefixed(plan.refused));
  return verdict;
}

}  // namespace sealift::migrate
