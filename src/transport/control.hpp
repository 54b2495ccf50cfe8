#pragma once

// Frames of the control connection (net/frame.hpp, class 3), inside TLS. Bodies, big-endian:
//
//   type        from        body
//   1 OPEN      initiator   u8 version 1 | 16 session id | u16 connections | u32 window bytes | u16 streams
//   max 2 OPENED    acceptor    u16 connections | u32 window bytes | u16 streams max      what counts: the
//   smaller of both 3 REJOIN    initiator   u8 version 1 | 16 session id | u64 received               after a
//   lost connection 4 REJOINED  acceptor    u64 received 5 MESSAGE   both        u64 number, from 0 | the
//   message, at most kMessageBytesMax 6 ACK       both        u64 received: messages taken in order so far;
//   frees the sender's copies 7 BYE       both        nothing: this end has everything that it wants and ends
//   the session in good order 8 FAILED    both        an error (net/error_wire.hpp): this end has given the
//   session up 9 PING      both        nothing: a sign of life on an idle connection
//
// REJOIN counts only from the key that opened the session; `received` says where the other side goes on
// sending.

#include "base/bytes.hpp"
#include "transport/attach.hpp"

namespace sealift::transport {

constexpr std::uint8_t kControlVersion = 1;

enum class ControlType : std::uint16_t {
  kOpen = 1,
  kOpened = 2,
  kRejoin = 3,
  kRejoined = 4,
  kMessage = 5,
  kAck = 6,
  kBye = 7,
  kFailed = 8,
  kPing = 9,
};

struct Agreement {
  std::uint16_t connections = 2;
  std::uint32_t window_bytes = 0;
  std::uint16_t streams_max = 0;
  bool operator==(const Agreement&) const = default;
};
constexpr std::uint16_t kConnectionsMax = 16;
constexpr std::uint32_t kWindowBytesMax = 256U * 1024 * 1024;
constexpr std::uint16_t kStreamsMax = 512;  // their positions fit one link record

struct OpenRequest {
  SessionId session{};
  Agreement wanted;
};
struct RejoinRequest {
  SessionId session{};
  std::uint64_t received = 0;
};

Bytes encode_open(const OpenRequest& request);
Result<OpenRequest> decode_open(ByteView body);  // kInvalid, kUnsupported; numbers within their limits
Bytes encode_agreement(const Agreement& agreement);
Result<Agreement> decode_agreement(ByteView body);
Bytes encode_rejoin(const RejoinRequest& request);
Result<RejoinRequest> decode_rejoin(ByteView body);
Bytes encode_count(std::uint64_t count);
Result<std::uint64_t> decode_count(ByteView body);

}  // namespace sealift::transport
