#include "net/call_wire.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace sealift::net {

namespace {

constexpr std::string_view kMagic = "CALL";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kReasonBytesMax = 512;

Result<CallToken> parse_token(const Json& value) {
  if (!value.is_string()) return fail(Code::kInvalid, "a token that is no text");
  const Bytes bytes = SEALIFT_TRY(unhex(value.get_ref<const std::string&>()));
  if (bytes.size() != kCallTokenBytes) return fail(Code::kInvalid, "a token of {} bytes", bytes.size());
  CallToken token{};
  std::ranges::copy(bytes, token.begin());
  return token;
}

Result<std::vector<CallToken>> parse_tokens(const Json& object, std::string_view name) {
  const Json list = SEALIFT_TRY(json::array(object, name));
  if (list.size() > kCallsMax) return fail(Code::kInvalid, "{} calls at once", list.size());
  std::vector<CallToken> tokens;
  for (const Json& item : list) tokens.push_back(SEALIFT_TRY(parse_token(item)));
  return tokens;
}

Json tokens_json(const std::vector<CallToken>& tokens) {
  Json list = Json::array();
  for (const CallToken& token : tokens) list.push_back(hex(token));
  return list;
}

}  // namespace

Bytes encode_call_preamble(const CallToken& token) {
  return Encoder().raw(as_bytes(kMagic)).u8(kVersion).u8(0).u16(0).raw(token).take();
}

Result<CallToken> decode_call_preamble(ByteView bytes) {
  Decoder in(bytes);
  if (as_text(SEALIFT_TRY(in.raw(kMagic.size()))) != kMagic) return fail(Code::kInvalid, "not a call back");
  const std::uint8_t version = SEALIFT_TRY(in.u8());
  if (version != kVersion)
    return fail(Code::kUnsupported, "a call back of version {}, this sealift speaks {}", version, kVersion);
  if (SEALIFT_TRY(in.u8()) != 0 || SEALIFT_TRY(in.u16()) != 0) return fail(Code::kInvalid, "not a call back");
  CallToken token{};
  std::ranges::copy(SEALIFT_TRY(in.raw(token.size())), token.begin());
  SEALIFT_TRY_STATUS(in.finish());
  return token;
}

Json to_json(const ReachWait& wait) {
  Json failed = Json::array();
  for (const FailedCall& call : wait.failed) {
    failed.push_back({{"token", hex(call.token)},
                      {"code", to_string(call.error.code)},
                      {"message", call.error.message.substr(0, kReasonBytesMax)}});
  }
  return {{"heard", tokens_json(wait.heard)}, {"failed", failed}};
}

Result<ReachWait> parse_reach_wait(const Json& params) {
  if (!params.is_object()) return fail(Code::kInvalid, "a message that is not a JSON object");
  ReachWait wait;
  wait.heard = SEALIFT_TRY(parse_tokens(params, "heard"));
  const Json failed = SEALIFT_TRY(json::array(params, "failed"));
  if (failed.size() > kCallsMax) return fail(Code::kInvalid, "{} failed calls at once", failed.size());
  for (const Json& item : failed) {
    if (!item.is_object() || !json::has(item, "token"))
      return fail(Code::kInvalid, "a failed call without token");
    FailedCall call{.token = SEALIFT_TRY(parse_token(item.at("token"))), .error = {}};
    call.error.code = code_from_text(SEALIFT_TRY(json::text(item, "code")));
    const std::string message = SEALIFT_TRY(json::text(item, "message"));
    call.error.message = printable(std::string_view(message).substr(0, kReasonBytesMax));
    wait.failed.push_back(std::move(call));
  }
  return wait;
}

Json calls_to_json(const std::vector<CallToken>& calls) {
  return {{"calls", tokens_json(calls)}};
}

Result<std::vector<CallToken>> parse_calls(const Json& result) {
  if (!result.is_object()) return fail(Code::kInvalid, "an answer that is not a JSON object");
  return parse_tokens(result, "calls");
}

}  // namespace sealift::net
