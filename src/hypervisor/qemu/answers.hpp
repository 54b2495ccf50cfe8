#pragma once

// QEMU's JSON turned into values. It is a stranger's input: a field of the wrong type or out of range is
// kInvalid, one that is absent is zero, an unknown word is kOther.

#include "base/json.hpp"
#include "hypervisor/status.hpp"

namespace sealift::hypervisor::qemu {

Result<MachineStatus> parse_status(const Json& answer);              // query-status
Result<MigrationStatus> parse_migration_status(const Json& answer);  // query-migrate
Result<std::optional<std::uint64_t>> parse_dirty_rate(
    const Json& answer);                                        // query-dirty-rate: bytes/s, once measured
Result<std::uint64_t> parse_written_bytes(const Json& answer);  // query-blockstats: all disks
MigrationPhase parse_phase(std::string_view word);
Result<Event> parse_event(const Json& message);  // an object with "event"; `at` and `sequence` are left out

}  // namespace sealift::hypervisor::qemu
