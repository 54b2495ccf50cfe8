#pragma once

// Control messages of a move, both ways over the session's control channel. One JSON object each, at most
// kMessageBytesMax, with the field "type"; unknown types and fields are refused, both sides speak kProtocol.
//
//   source                                   destination
//     check {protocol, request, facts}      ->
//                                           <- checked {refused: [text], mapped: [text], facts, clock_ms}
//     probe {streams}                       ->     once (streams 48..: what the link carries, link_probe.hpp)
//     begin {move, request}                 ->     the offer is final; or: go on with this move (cold)
//                                           <- receiving {}          the place is made, (live) QEMU listens
//     (bulk streams: disks, side files, memory)
//     round {number, last}                  ->     a disk round was sent whole; last: nothing follows it
//                                           <- round_durable {number}
//                                           <- ready {}              loaded, paused, every leaf counted,
//                                           durable
//     seal {envelope}                       ->
//                                           <- timing {…_ms}         after the start: for the report
//     cancelled {reason}                   <->
//
// request: {vm, name of the source host, live, definition, disks: [{name, format, virtual_bytes,
// allocated_bytes}], bridged: [per network: on a bridge at the source], map_networks, map_pools, channels,
// clock_ms, bandwidth}. Nothing in a message is
// believed: the destination compares it with the final offer, and the seal with what it received itself.

#include <string>
#include <variant>
#include <vector>

#include "base/json.hpp"
#include "hypervisor/facts.hpp"
#include "ledger/seal.hpp"
#include "migrate/local_host.hpp"

namespace sealift::migrate::protocol {

constexpr std::uint32_t kProtocol = 2;  // 2: probe, bridged
constexpr std::uint64_t kProbeStreamsMax = 4;
constexpr std::size_t kMessageBytesMax = 1024 * 1024;
constexpr std::size_t kReasonsMax = 64;
constexpr std::size_t kReasonBytesMax = 2048;

struct Request {
  IncomingVm vm;
  std::uint32_t channels = 0;  // multifd channels of a live move
  std::uint64_t clock_ms = 0;  // the source's clock when it was sent
  std::uint64_t bandwidth = 0;
};
Json to_json(const Request& request);
Result<Request> parse_request(const Json& json);

struct Check {
  Request request;
  hypervisor::HypervisorFacts facts;
};
struct Checked {
  std::vector<std::string> refused;
  std::vector<std::string> mapped;
  hypervisor::HypervisorFacts facts;
  std::uint64_t clock_ms = 0;
};
struct Probe {
  std::uint64_t streams = 1;
};
struct Begin {
  ledger::MoveId move;
  Request request;
};
struct Receiving {};
struct Round {
  std::uint64_t number = 0;
  bool last = false;
};
struct RoundDurable {
  std::uint64_t number = 0;
};
struct Ready {};
struct SealMessage {
  Bytes envelope;
};
struct Timing {  // milliseconds at the destination, from the seal's arrival
  double compare_ms = 0;
  double ledger_ms = 0;
  double start_ms = 0;
  double running_after_ms = 0;  // from the seal's arrival to the running guest
};
struct Cancelled {
  std::string reason;
};
using Message = std::variant<Check, Checked, Probe, Begin, Receiving, Round, RoundDurable, Ready, SealMessage,
                             Timing, Cancelled>;

Bytes encode(const Message& message);
Result<Message> decode(ByteView bytes);  // kInvalid names the field; kUnsupported names both protocols
std::string_view type_of(const Message& message);

}  // namespace sealift::migrate::protocol
