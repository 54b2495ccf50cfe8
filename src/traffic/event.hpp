#pragma once

// What hosts publish about the live moves of their VMs, for whoever sends traffic to them. Each host has one
// stream of numbered events, kept durably (stream.hpp):
//
//   moving     source: the VM is being copied; it runs on here
//   switching  source, before it stops the guest: for a moment nobody will answer
//   moved      both, once the guest runs at the destination
//   aborted    source, on any way back: the guest runs here, or ended
//
// Events are idempotent, and those of one VM have an order over all hosts: by epoch (each move of a VM has a
// higher one, ledger/ids.hpp), then by kind. What comes twice, late or from both ends changes nothing.
//
// JSON form, exactly these fields ("address" only where it is known):
//   {"number": n, "event": "moving", "move": 64 hex digits, "vm": UUID, "name": text, "epoch": n,
//    "from": host, "to": host, "address": "192.0.2.7:80"}

#include "base/json.hpp"
#include "ledger/ids.hpp"

namespace sealift::traffic {

constexpr std::size_t kVmNameBytesMax = 255;
constexpr std::size_t kAddressBytesMax = 64;
constexpr std::size_t kBatchEventsMax = 4096;
constexpr std::size_t kStreamIdDigits = 16;

enum class MoveEventKind : std::uint8_t { kMoving = 1, kSwitching = 2, kMoved = 3, kAborted = 4 };
std::string_view to_string(MoveEventKind kind);
// Nothing follows in that move.
inline bool ends_move(MoveEventKind kind) {
  return kind >= MoveEventKind::kMoved;
}

// Where a VM stands: by epoch, then by kind. Moved and aborted both end a move: the first of them counts.
struct MovePlace {
  std::uint64_t epoch = 0;
  MoveEventKind kind = MoveEventKind::kMoving;
  bool before(const MovePlace& other) const {
    const auto rank = [](MoveEventKind of) { return ends_move(of) ? MoveEventKind::kMoved : of; };
    return epoch < other.epoch || (epoch == other.epoch && rank(kind) < rank(other.kind));
  }
};

struct MoveEvent {
  std::uint64_t number = 0;  // in its host's stream
  MoveEventKind kind = MoveEventKind::kMoving;
  ledger::MoveId move;
  ledger::VmId vm;
  std::string name;
  ledger::Epoch epoch;  // that the move gives to its destination
  ledger::HostName from, to;
  std::string address;  // kMoved: where the VM is reached now, if its host says so; else as before
  bool operator==(const MoveEvent&) const = default;
};
Json to_json(const MoveEvent& event);
Result<MoveEvent> parse_event(const Json& json);  // kInvalid

// How far a reader has got. Numbers of another stream id (a host that began anew) mean nothing.
struct Position {
  std::string stream;  // 16 hex digits; empty: from nothing
  std::uint64_t after = 0;
  bool operator==(const Position&) const = default;
};

// What comes after a position.
//   {"stream": 16 hex digits, "whole": bool, "last": n, "events": […]}
struct Batch {
  std::string stream;
  // The events in between cannot be given: these are the newest of every VM that this host knows of, and what
  // the reader believed of others that moved from here is void.
  bool whole = false;
  std::uint64_t last = 0;  // where to go on
  std::vector<MoveEvent> events;
  bool operator==(const Batch&) const = default;
};
Json to_json(const Batch& batch);
Result<Batch> parse_batch(const Json& json);  // kInvalid

}  // namespace sealift::traffic
