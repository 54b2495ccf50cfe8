#include "domain/messages.hpp"
#include "net/endpoint.hpp"

namespace sealift::domain {
namespace {

constexpr std::size_t kEndpointsMax = 8;

Result<std::string> bounded(const Json& object, std::string_view name) {
  std::string text = SEALIFT_TRY(json::text(object, name));
  if (text.size() > ledger::kTextBytesMax) {
    return fail(Code::kInvalid, "field '{}' is longer than {} bytes", name, ledger::kTextBytesMax);
  }
  return text;
}

Result<std::vector<std::string>> endpoints_field(const Json& object, std::string_view name) {
  const Json list = SEALIFT_TRY(json::array(object, name));
  if (list.size() > kEndpointsMax) return fail(Code::kInvalid, "more than {} endpoints", kEndpointsMax);
  std::vector<std::string> endpoints;
  for (const Json& item : list) {
    if (!item.is_string()) return fail(Code::kInvalid, "field '{}' holds something that is no text", name);
    endpoints.push_back(SEALIFT_TRY(net::Endpoint::parse(item.get_ref<const std::string&>())).text());
  }
  return endpoints;
}

}  // namespace

Json to_json(const JoinRequest& request) {
  return {{"invitation", request.invitation},
          {"proof", request.proof.hex()},
          {"key", request.host.key.verifier_key(request.host.name.text())},
          {"endpoints", request.host.endpoints},
          {"region", request.host.region},
          {"witness_only", request.host.witness_only},
          {"old_log", request.old_log}};
}

Result<JoinRequest> parse_join_request(const Json& params) {
  if (!params.is_object()) return fail(Code::kInvalid, "a message that is not a JSON object");
  JoinRequest request;
  request.invitation = SEALIFT_TRY(bounded(params, "invitation"));
  request.proof = SEALIFT_TRY(json::id<crypto::Digest>(params, "proof"));
  const std::string key_text = SEALIFT_TRY(bounded(params, "key"));
  const crypto::NamedKey key = SEALIFT_TRY(crypto::PublicKey::parse_verifier_key(key_text));
  request.host.name = SEALIFT_TRY(ledger::HostName::parse(key.name));
  request.host.key = key.key;
  request.host.endpoints = SEALIFT_TRY(endpoints_field(params, "endpoints"));
  request.host.region = SEALIFT_TRY(bounded(params, "region"));
  request.host.witness_only = SEALIFT_TRY(json::boolean(params, "witness_only"));
  request.old_log = SEALIFT_TRY(bounded(params, "old_log"));
  return request;
}

Json to_json(const JoinAnswer& answer) {
  return {{"member", answer.member},
          {"text", answer.text},
          {"server_key", answer.server_key},
          {"server_endpoints", answer.server_endpoints}};
}

Result<JoinAnswer> parse_join_answer(const Json& result) {
  if (!result.is_object()) return fail(Code::kInvalid, "a message that is not a JSON object");
  JoinAnswer answer;
  answer.member = SEALIFT_TRY(json::boolean(result, "member"));
  answer.text = SEALIFT_TRY(bounded(result, "text"));
  answer.server_key = SEALIFT_TRY(bounded(result, "server_key"));
  answer.server_endpoints = SEALIFT_TRY(endpoints_field(result, "server_endpoints"));
  return answer;
}

}  // namespace sealift::domain
