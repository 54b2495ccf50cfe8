#pragma once

// Pre-flight: everything that would stop a move, found before it begins, all reasons at once, in words that
// say what to do. Pure functions over facts that the drivers collect; neither side believes the other's "ok".

#include <string>
#include <vector>

#include "image/qemu_img.hpp"
#include "ledger/ledger.hpp"
#include "migrate/local_host.hpp"
#include "migrate/move_manager.hpp"

namespace sealift::migrate {

struct Verdict {
  std::vector<std::string> refused;
  std::vector<std::string> warnings;  // that do not keep it from moving
  std::size_t passed = 0;
  // Counts the check, or keeps its reason.
  void check(bool holds, std::string reason_if_not);
  void add(std::vector<std::string> reasons);  // none: passed
  void take(Verdict other);
};

struct SourceFacts {
  const MigrateRequest* request = nullptr;
  const LocalVm* vm = nullptr;
  bool live = false;                                                 // what it will be
  hypervisor::RunState run_state = hypervisor::RunState::kShutdown;  // of its process
  std::vector<image::ImageInfo> images;                              // of its disks, in order
  std::vector<std::string> blocked;            // what keeps QEMU from migrating it, in its words
  std::shared_ptr<const ledger::State> state;  // final
  ledger::HostName self;
  bool records_settled = true;
  std::optional<ledger::MoveId> unfinished;  // in our journal
  std::size_t quorum_answered = 0, quorum_needed = 1;
};
// False when both of these members take no connections: then nobody can make one.
bool one_can_dial(const ledger::State& state, const ledger::HostName& a, const ledger::HostName& b);
Verdict check_source(const SourceFacts& facts, const hypervisor::HypervisorFacts& hypervisor);

// The destination's: its own hypervisor, its own rules, its own clock against the source's.
struct DestinationFacts {
  const IncomingVm* vm = nullptr;
  std::uint32_t channels = 0;
  std::uint64_t source_clock_ms = 0, clock_ms = 0, skew_ms = 30'000;
  std::shared_ptr<const ledger::State> state;
  ledger::HostName self, peer;
  std::optional<ledger::MoveId> unfinished;
  std::size_t incoming = 0, incoming_max = 8;
};
Verdict check_destination(const DestinationFacts& facts, const hypervisor::HypervisorFacts& ours,
                          const hypervisor::HypervisorFacts& theirs, const IncomingPlan& plan);

}  // namespace sealift::migrate
