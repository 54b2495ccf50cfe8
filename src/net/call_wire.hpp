#pragma once

// What hosts say so that the one that cannot be dialled dials instead (call_back.hpp).
//
// A called-back connection begins, in the clear, with
//
//   "CALL" | u8 version 1 | 3 × u8 0 | 32 token                                                        40
//   bytes
//
// and goes on with its ends in exchanged roles: who accepted it speaks first, as if it had dialled. The token
// says only whose wait this ends. It opens nothing: TLS with the pinned key, or a session's proof, follows.
//
// On the standing connection (purpose "reach", rpc) the host that keeps it asks, again and again,
//
//   reach.wait  {"heard": [token, …], "failed": [{"token", "code", "message"}, …]}  ->  {"calls": [token, …]}
//
// which is held until there is a call to make, or for some seconds. heard: the calls of the answer before,
// which are not told again; failed: those whose connection could not be made. Tokens are 64 hex digits.

#include <array>
#include <vector>

#include "base/json.hpp"

namespace sealift::net {

constexpr std::size_t kCallTokenBytes = 32;
constexpr std::size_t kCallPreambleBytes = 8 + kCallTokenBytes;
constexpr std::size_t kCallsMax = 32;  // in one message
constexpr std::string_view kReachPurpose = "reach";
constexpr std::string_view kReachWait = "reach.wait";

using CallToken = std::array<std::uint8_t, kCallTokenBytes>;

Bytes encode_call_preamble(const CallToken& token);
Result<CallToken> decode_call_preamble(ByteView bytes);  // kInvalid, kUnsupported

struct FailedCall {
  CallToken token{};
  Error error;
};
struct ReachWait {
  std::vector<CallToken> heard;
  std::vector<FailedCall> failed;
};
Json to_json(const ReachWait& wait);
Result<ReachWait> parse_reach_wait(const Json& params);
Json calls_to_json(const std::vector<CallToken>& calls);
Result<std::vector<CallToken>> parse_calls(const Json& result);

}  // namespace sealift::net
