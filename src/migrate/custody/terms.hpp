#pragma once

// Words shared by both custody machines (design: docs/ARCHITECTURE.md, "Life of a move").
//
// A machine is a pure function: (terms, state, event) -> (state, actions). It has no socket, clock or thread.
// Whoever drives it (migrate/executor; the simulation) keeps these rules:
//   1. Events are handed in one at a time; the actions of a step are carried out in order before the next.
//   2. Journal makes the step's new state durable before the next action begins. When it cannot, the driver
//      stops working on the move, as if it had crashed: nothing after it may happen.
//   3. A crash may fall between any two actions. Afterwards the last journaled state is handed the event
//      kRestarted; so every action is idempotent, and each state that is not durable is derivable: the state
//      journaled before it knows how to go on.
//   4. Submit makes a record's exact bytes durable, then submits them for ever until the ledger shows them
//   final
//      or refused; the records of one move go in order. Time-outs are not refusals.
//   5. Ledger events are facts of *final* state only. They are level-triggered: the driver gives the
//   strongest
//      fact that holds, again after every restart, and may repeat it.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"

namespace sealift::migrate::custody {

enum class MoveMode : std::uint8_t { kCold = 1, kLive = 2 };

// What of a move the machines need to know; constant for its life.
struct MoveTerms {
  MoveMode mode = MoveMode::kCold;
};

enum class RecordKind : std::uint8_t { kOffer, kAccept, kCommit, kAbort, kStarted, kReturn, kClosed };
std::string_view to_string(RecordKind kind);

enum class Message : std::uint8_t {
  kSeal,       // source: the seal of the journaled statement, signed now
  kCancelled,  // either: this side gave up before the commit
  kReady,      // destination: everything is loaded, paused and counted; the roots may be sealed
};
std::string_view to_string(Message message);

enum class Outcome : std::uint8_t {
  kMoved = 1,      // the destination owns it
  kAborted = 2,    // the source owns it
  kReturned = 3,   // committed, never started, given back
  kLost = 4,       // the VM was recovered to another host; this one keeps a stopped or quarantined copy
  kRecovered = 5,  // destination: the VM was recovered to it before the commit, with what it had received
};
std::string_view to_string(Outcome outcome);

// Actions that carry a value; the others are each machine's Deed.
struct Journal {};
struct Submit {
  RecordKind record;
};
struct Send {
  Message message;
  std::string reason;
};
enum class Loudness { kNote, kAlarm };
struct Report {
  Loudness loudness;
  std::string text;
};

template <class Deed>
using Action = std::variant<Journal, Submit, Send, Deed, Report>;

template <class State, class Deed>
struct Step {
  State state;
  std::vector<Action<Deed>> actions;
};

}  // namespace sealift::migrate::custody
