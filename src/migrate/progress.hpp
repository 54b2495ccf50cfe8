#pragma once

// How a move stands, as a value that can be read at any time: for the API, the command line, metrics.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "ledger/ids.hpp"
#include "migrate/custody/terms.hpp"
#include "migrate/traffic_switch.hpp"

namespace sealift::migrate {

enum class MoveRole { kSource, kDestination };
std::string_view to_string(MoveRole role);

struct DiskProgress {
  std::string name;
  std::uint64_t total_bytes = 0;
  std::uint64_t done_bytes = 0;  // counted at the destination
  std::uint64_t sent_bytes = 0;  // in records, before compression
  std::uint64_t had_bytes = 0;   // not sent, because the destination had them
  std::uint64_t round = 0;
};

struct MemoryProgress {
  std::uint64_t total_bytes = 0;
  std::uint64_t transferred_bytes = 0;
  std::uint64_t remaining_bytes = 0;
  std::uint64_t bytes_per_second = 0;
  std::uint64_t dirty_bytes_per_second = 0;
  std::uint64_t pass = 0;
  std::uint64_t seconds_left = 0;  // predicted; 0: unknown
};

// Of a move that ended at its destination.
struct MoveReport {
  std::uint64_t total_ms = 0;  // from the offer until it runs at the destination; cold: until the end
  double pause_ms = 0;         // live: our stop to the destination's start, as the ends measured
  std::vector<std::pair<std::string, double>>
      pause_parts_ms;                 // "last round", "load", "seal", "ledger", "start"
  std::vector<std::string> verified;  // "vda: content root 5f0c…"
  std::string source;                 // what became of the source's copy
  std::string kept_until;             // that copy, in quarantine: ISO 8601, UTC; empty: not known
  std::string receipt;                // path
  std::optional<TrafficHold> hold;    // live: for whom the stop waited, before the pause
};

struct MoveProgress {
  ledger::MoveId id;
  ledger::VmId vm;
  std::string vm_name;
  ledger::HostName from, to;
  MoveRole role = MoveRole::kSource;
  custody::MoveMode mode = custody::MoveMode::kCold;
  std::string phase;  // custody's state: "copying", "sealed", …
  bool ended = false;
  std::optional<custody::Outcome> outcome;   // once ended
  std::string message;                       // why it ended, or what an operator must know now
  std::string problem;                       // it gets nowhere: why, and what to do; empty: it gets on
  std::string waiting;                       // for what and for whom; empty: for nothing
  std::optional<WallTime> unanswered_since;  // what it waits for is late: somebody should look
  std::string checks;                        // "24 ok; quorum 2 of 3"
  std::string expected;                      // "0:21, pause about 45 ms"
  std::vector<std::string> warnings;         // of pre-flight
  std::string mapped;                        // "prod-10: br0.10 -> br1; vda: fast -> tank"
  std::string switchover;                    // "stopped, sealed, equal, committed (block 1182), running"
  std::vector<DiskProgress> disks;
  std::optional<MemoryProgress> memory;
  std::optional<MoveReport> report;
  WallTime began{};
  std::uint64_t version = 0;  // grows with every change
};

// The API's form:
//   {"id", "vm", "vm_id", "from", "to", "role", "mode", "state", "phase", "ended", "message", "problem",
//   "waiting", "unanswered_since" (absent: nothing is late), "checks", "expected", "warnings": [text], "map",
//   "switch", "disks": [{"name", "total_bytes", "done_bytes", "sent_bytes", "had_bytes", "round"}],
//   "memory": {…} or null, "report": {"total_ms", "pause_ms", "pause_parts_ms": {…}, "verified": […],
//   "source", "kept_until" (absent: not known), "receipt", "hold": {"waited_ms", "by": […], "missing": […]}
//   or absent} or absent, "began", "version"}
// state: "running" until ended, then "done", "aborted", "returned" or "lost".
Json to_json(const MoveProgress& progress);
// Of an ended move, from this host's own journal; what is missing or odd is left empty.
MoveProgress progress_from_json(const Json& json);

}  // namespace sealift::migrate
