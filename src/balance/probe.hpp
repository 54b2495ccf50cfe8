#pragma once

// The questions of the health checks and what their answers mean; pure, the sockets are checker.hpp's.

#include <optional>
#include <string>

#include "balance/config.hpp"
#include "base/bytes.hpp"

namespace sealift::balance {

constexpr std::size_t kAnswerBytesMax = 4096;  // more of an answer is never read

// What to send after the connect; empty: nothing, the connect itself was the check.
Bytes health_question(const HealthSpec& spec);

enum class Answer : std::uint8_t { kMore, kGood, kBad };
struct Judgement {
  Answer answer = Answer::kMore;
  std::string reason;  // of kBad, for people
};
// bytes: all that came so far. ended: nothing more will come.
// HTTP: a status line whose status is in the range. TLS: a ServerHello (RFC 8446, 4.1.3); certificates are
// not looked at.
Judgement judge_health(const HealthSpec& spec, ByteView bytes, bool ended);

// HAProxy's agent-check: one line of words, "75%", "up", "down", "failed", "stopped", "drain", "maint",
// "ready", with "#…" a description; maxconn is not taken up. Unknown words are ignored, as HAProxy does.
struct AgentReport {
  std::optional<std::uint32_t> percent;  // of the configured weight, 0 to 100
  enum class State : std::uint8_t { kUnsaid, kUp, kDown } state = State::kUnsaid;
  enum class Admin : std::uint8_t { kUnsaid, kReady, kDrain, kMaint } admin = Admin::kUnsaid;
  bool operator==(const AgentReport&) const = default;
};
// Nothing: the line has not ended yet. kInvalid: too long, or it says nothing that we know.
Result<std::optional<AgentReport>> read_agent_line(ByteView bytes, bool ended);

}  // namespace sealift::balance
