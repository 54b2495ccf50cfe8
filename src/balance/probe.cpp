#include "balance/probe.hpp"

#include <array>
#include <charconv>

namespace sealift::balance {

namespace {

constexpr std::size_t kAgentLineMax = 256;

// A ClientHello of TLS 1.3 that also offers 1.2 (RFC 8446, 4.1.2). The random and the key share are
// constants: the handshake goes no further than the server's first message.
Bytes client_hello(std::string_view server_name) {
  constexpr std::array<std::uint8_t, 32> kRandom{0x73, 0x65, 0x61, 0x6c, 0x69, 0x66, 0x74};
  // The base point of X25519 (RFC 7748, 4.1): a valid public key.
  constexpr std::array<std::uint8_t, 32> kShare{9};
  Encoder extensions;
  const auto name_bytes = static_cast<std::uint16_t>(server_name.size());
  extensions.u16(0)
      .u16(static_cast<std::uint16_t>(name_bytes + 5))
      .u16(static_cast<std::uint16_t>(name_bytes + 3));
  extensions.u8(0).u16(name_bytes).raw(as_bytes(server_name));
  extensions.u16(10).u16(6).u16(4).u16(0x001d).u16(0x0017);  // supported_groups
  extensions.u16(11).u16(2).u8(1).u8(0);                     // ec_point_formats
  extensions.u16(13).u16(14).u16(12).u16(0x0403).u16(0x0804).u16(0x0401).u16(0x0503).u16(0x0805).u16(0x0807);
  extensions.u16(43).u16(5).u8(4).u16(0x0304).u16(0x0303);             // supported_versions
  extensions.u16(51).u16(38).u16(36).u16(0x001d).u16(32).raw(kShare);  // key_share
  Encoder body;
  body.u16(0x0303).raw(kRandom).u8(0);
  body.u16(12).u16(0x1301).u16(0x1302).u16(0x1303).u16(0xc02b).u16(0xc02f).u16(0xc030).u8(1).u8(0);
  body.u16(static_cast<std::uint16_t>(extensions.bytes().size())).raw(extensions.bytes());
  const auto body_bytes = static_cast<std::uint16_t>(body.bytes().size());
  Encoder record;
  record.u8(22).u16(0x0301).u16(static_cast<std::uint16_t>(body_bytes + 4)).u8(1).u8(0).u16(body_bytes);
  return record.raw(body.bytes()).take();
}

Judgement bad(std::string reason) {
  return {Answer::kBad, std::move(reason)};
}

Judgement judge_http(const HealthSpec& spec, std::string_view text, bool ended) {
  constexpr std::string_view kStart = "HTTP/1.";
  constexpr std::size_t kNeeded = 12;  // "HTTP/1.1 200"
  const std::size_t common = std::min(text.size(), kStart.size());
  if (text.substr(0, common) != kStart.substr(0, common)) return bad("the answer is not HTTP");
  if (text.size() < kNeeded) return ended ? bad("the answer ended within its status line") : Judgement{};
  unsigned status = 0;
  const auto [end, error] = std::from_chars(text.data() + 9, text.data() + kNeeded, status);
  if (text[8] != ' ' || error != std::errc{} || end != text.data() + kNeeded)
    return bad("malformed status line");
  if (text.size() == kNeeded && !ended) return {};
  if (text.size() > kNeeded && text[kNeeded] != ' ' && text[kNeeded] != '\r' && text[kNeeded] != '\n')
    return bad("malformed status line");
  if (status < spec.status_min || status > spec.status_max) return bad(fmt::format("status {}", status));
  return {Answer::kGood, {}};
}

Judgement judge_tls(ByteView bytes, bool ended) {
  constexpr std::uint8_t kAlert = 21, kHandshake = 22, kServerHello = 2;
  if (!bytes.empty() && bytes[0] == kAlert) return bad("the server answered with a TLS alert");
  if (!bytes.empty() && bytes[0] != kHandshake) return bad("the answer is not TLS");
  if (bytes.size() >= 2 && bytes[1] != 3) return bad("the answer is not TLS");
  if (bytes.size() < 6) return ended ? bad("the answer ended before a ServerHello") : Judgement{};
  if (bytes[5] != kServerHello) return bad("the answer is no ServerHello");
  return {Answer::kGood, {}};
}

// False: no word that we know.
bool read_word(std::string_view word, AgentReport* report) {
  if (word.ends_with('%')) {
    std::uint32_t percent = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size() - 1, percent);
    if (error != std::errc{} || end != word.data() + word.size() - 1) return false;
    report->percent = std::min(percent, 100U);
  } else if (word == "up") {
    report->state = AgentReport::State::kUp;
  } else if (word == "down" || word == "failed" || word == "stopped") {
    report->state = AgentReport::State::kDown;
  } else if (word == "ready") {
    report->admin = AgentReport::Admin::kReady;
  } else if (word == "drain") {
    report->admin = AgentReport::Admin::kDrain;
  } else if (word == "maint") {
    report->admin = AgentReport::Admin::kMaint;
  } else {
    return false;
  }
  return true;
}

}  // namespace

Bytes health_question(const HealthSpec& spec) {
  switch (spec.kind) {
    case CheckKind::kHttp:
      return to_bytes(fmt::format(
          "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: sealift-balance\r\nConnection: close\r\n\r\n",
          spec.path, spec.host));
    case CheckKind::kTls: return client_hello(spec.host);
    case CheckKind::kNone:
    case CheckKind::kTcp: break;
  }
  return {};
}

Judgement judge_health(const HealthSpec& spec, ByteView bytes, bool ended) {
  switch (spec.kind) {
    case CheckKind::kHttp: return judge_http(spec, as_text(bytes), ended);
    case CheckKind::kTls: return judge_tls(bytes, ended);
    case CheckKind::kNone:
    case CheckKind::kTcp: break;
  }
  return {Answer::kGood, {}};
}

Result<std::optional<AgentReport>> read_agent_line(ByteView bytes, bool ended) {
  std::string_view line = as_text(bytes);
  const auto end = line.find_first_of("\r\n");
  if (end == std::string_view::npos && !ended) {
    if (line.size() > kAgentLineMax)
      return fail(Code::kInvalid, "agent: a line of more than {} bytes", kAgentLineMax);
    return std::optional<AgentReport>{};
  }
  line = line.substr(0, std::min(end, line.find('#')));
  if (line.size() > kAgentLineMax)
    return fail(Code::kInvalid, "agent: a line of more than {} bytes", kAgentLineMax);
  AgentReport report;
  bool known = false;
  while (!line.empty()) {
    const auto stop = line.find_first_of(" ,\t");
    known |= read_word(line.substr(0, stop), &report);
    line = stop == std::string_view::npos ? std::string_view{} : line.substr(stop + 1);
  }
  if (!known) return fail(Code::kInvalid, "agent: the line says nothing that is known");
  return report;
}

}  // namespace sealift::balance
