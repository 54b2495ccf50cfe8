#pragma once

// What the host says of its VMs, of what comes in and of what is in quarantine: values, copied out.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "crypto/digest.hpp"
#include "hypervisor/definition_file.hpp"
#include "hypervisor/hypervisor.hpp"
#include "ledger/ids.hpp"

namespace sealift::host {

enum class VmState {
  kOff,
  kStarting,
  kRunning,
  kPaused,   // its process is there, its guest stopped
  kFrozen,   // its process is stopped (SIGSTOP)
  kHashing,  // off; its disks are read for vm.rest or before a start
};
std::string_view to_string(VmState state);

struct VmView {
  ledger::VmId id;
  hypervisor::VmDefinition definition;
  file::Path directory;  // lock, side files, logs
  hypervisor::Placement placement;
  VmState state = VmState::kOff;
  // Shared with the host: a mover holds it while the host watches for its end. None when off.
  std::shared_ptr<hypervisor::Machine> machine;
  std::optional<std::string> held_by;  // the move that holds it
  std::string note;                    // what an operator should know ("last start failed: …")
  std::uint32_t progress_percent = 0;  // of kHashing
};

struct StartOptions {
  std::string accept_changes;  // --accept-changes REASON
  std::string offline;         // --offline REASON: without the ledger's proof
};

// A VM that wants to come in.
struct IncomingRequest {
  ledger::VmId id;
  std::string from;  // host
  hypervisor::VmDefinition definition;
  std::vector<hypervisor::DiskFormat> formats;  // at this host, one per disk
  std::vector<std::uint64_t> allocated_bytes;   // at the source, one per disk
  bool live = false;
  std::vector<bool> bridged;                        // at the source, one per network
  std::map<std::string, std::string> map_networks;  // source's name -> this host's; the rest by its own
  std::map<std::string, std::string> map_pools;
};
struct IncomingVerdict {
  std::vector<std::string> refused;  // every reason, with what to do
  std::vector<std::string> mapped;   // "prod-10: br0.10", "vda: tank"
};
struct IncomingPlace {
  file::Path directory;
  hypervisor::Placement placement;
  hypervisor::VmDefinition definition;  // with this host's formats, pools and networks
};

// A copy of a VM that it may be recovered from: where its parts lie. Nothing of it is trusted or changed.
struct CopySource {
  hypervisor::ParsedDefinition parsed;
  file::Path variables;  // UEFI's; empty: none, the VM gets fresh ones
  std::string words;     // "quarantine entry 1a2b3c4d5e6f (moved to bern)", "/backup/web-01"
};
// The copy, made under the VM's id in a place of its own; it waits for the ledger to name this host.
struct PreparedCopy {
  ledger::VmId vm;
  ledger::Epoch epoch;   // in which it becomes this host's VM
  crypto::Digest root;   // ledger::disks_root()
  std::string accepted;  // why this root is taken though the ledger has another, or none
};

// A disk of a copy in quarantine.
struct KeptDisk {
  std::string name;
  hypervisor::DiskFormat format = hypervisor::DiskFormat::kRaw;
  file::Path path;
};

struct QuarantineEntry {
  std::string id;  // the move's id in hex, or "removed-" and the VM's id, or "lost-", the id and a number
  ledger::VmId vm;
  std::string name;
  std::string why;  // "moved to bern", "removed"
  WallTime since{};
  WallTime until{};
  std::uint64_t bytes = 0;
  std::vector<file::Path> paths;
};

}  // namespace sealift::host
