#pragma once

// The JSON bodies of RPC frames (rpc.hpp has the table): {"id", "method", "params"}, {"id", "result"} and
// {"id", "error": {"code", "message"}}. Bytes from another host: everything is bounded and checked here.

#include "base/bytes.hpp"
#include "base/json.hpp"

namespace sealift::net {

constexpr std::size_t kRpcBodyBytesMax = 4 * 1024 * 1024;

struct RpcRequest {
  std::uint64_t id = 0;
  std::string method;
  Json params = Json::object();
};
Result<RpcRequest> decode_rpc_request(ByteView body);  // kInvalid

std::string encode_rpc_request(std::uint64_t id, std::string_view method, const Json& params);
std::string encode_rpc_result(std::uint64_t id, const Json& result);
std::string encode_rpc_error(std::uint64_t id, const Error& error);
// What answers request `id`: a value, or the other side's error, its words made printable. The outer error,
// kInvalid: this is no such answer.
Result<Result<Json>> decode_rpc_result(ByteView body, std::uint64_t id);
Result<Result<Json>> decode_rpc_error(ByteView body, std::uint64_t id);

}  // namespace sealift::net
