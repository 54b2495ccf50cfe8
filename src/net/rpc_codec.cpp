#include "net/rpc_codec.hpp"

#include "base/text.hpp"

namespace sealift::net {

namespace {

constexpr std::size_t kMethodBytesMax = 64;
constexpr std::size_t kMessageBytesMax = 4096;

Result<Json> decode_answer(ByteView body, std::uint64_t id) {
  Json answer = SEALIFT_TRY(json::parse(as_text(body), kRpcBodyBytesMax));
  if (SEALIFT_TRY(json::number(answer, "id")) != id)
    return fail(Code::kInvalid, "an answer to another request");
  return answer;
}

}  // namespace

std::string encode_rpc_request(std::uint64_t id, std::string_view method, const Json& params) {
  return json::dump({{"id", id}, {"method", method}, {"params", params}});
}

Result<RpcRequest> decode_rpc_request(ByteView body) {
  Json json = SEALIFT_TRY(json::parse(as_text(body), kRpcBodyBytesMax));
  RpcRequest request;
  request.id = SEALIFT_TRY(json::number(json, "id"));
  request.method = SEALIFT_TRY(json::text(json, "method"));
  if (request.method.size() > kMethodBytesMax) return fail(Code::kInvalid, "a method's name is too long");
  if (json::has(json, "params")) request.params = std::move(json.at("params"));
  return request;
}

std::string encode_rpc_result(std::uint64_t id, const Json& result) {
  return json::dump({{"id", id}, {"result", result}});
}

std::string encode_rpc_error(std::uint64_t id, const Error& error) {
  return json::dump({{"id", id}, {"error", {{"code", to_string(error.code)}, {"message", error.message}}}});
}

Result<Result<Json>> decode_rpc_result(ByteView body, std::uint64_t id) {
  Json answer = SEALIFT_TRY(decode_answer(body, id));
  if (!json::has(answer, "result")) return fail(Code::kInvalid, "an answer without a result");
  return Result<Json>(std::move(answer.at("result")));
}

Result<Result<Json>> decode_rpc_error(ByteView body, std::uint64_t id) {
  const Json answer = SEALIFT_TRY(decode_answer(body, id));
  const Json error = SEALIFT_TRY(json::object(answer, "error"));
  const std::string code = SEALIFT_TRY(json::text(error, "code"));
  const std::string message = SEALIFT_TRY(json::text(error, "message"));
  return Result<Json>(
      std::unexpected(Error{code_from_text(code), printable(message.substr(0, kMessageBytesMax))}));
}

}  // namespace sealift::net
