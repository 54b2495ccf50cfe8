#pragma once

// Requests and answers between two hosts (frame class 2), one at a time on a connection; a client opens
// several when it is called by several threads.
//
//   type 1 REQUEST  {"id": n, "method": text, "params": …}
//   type 2 RESULT   {"id": n, "result": …}
//   type 3 ERROR    {"id": n, "error": {"code": "not-found", "message": text}}
//
// Bodies are JSON of at most kRpcBodyBytesMax. A client that gets no answer cannot know whether the request
// was carried out (kUnavailable, kTimeout): methods are made so that asking again is harmless.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "net/dial.hpp"
#include "net/rpc_codec.hpp"

namespace sealift::net {

enum class RpcType : std::uint16_t { kRequest = 1, kResult = 2, kError = 3 };

class RpcClient {
 public:
  // Nothing is dialled before the first call.
  RpcClient(DialOptions options, const crypto::Identity& identity, std::size_t connections_max = 4);
  ~RpcClient();

  // Thread-safe. The other side's error comes back with its own code and message.
  Result<Json> call(std::string_view method, const Json& params, Deadline deadline, const Stop& stop);
  const DialOptions& options() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What a service takes from whoever it serves.
enum class OnUnauthorized { kGoOn, kClose };  // after an answer of code kUnauthorized
struct ServeLimits {
  Milliseconds idle_max{300'000};
  std::size_t body_bytes_max = kRpcBodyBytesMax;  // of a request
  OnUnauthorized on_unauthorized = OnUnauthorized::kGoOn;
};

class RpcService {
 public:
  using Method =
      std::function<Result<Json>(const crypto::PublicKey& peer, const Json& params, const Stop& stop)>;
  void method(std::string name, Method method);  // before the first serve()

  // Serves one connection until it ends, a limit is passed, or stop is pulled. Thread-safe.
  void serve(PeerConnection connection, const Stop& stop, const ServeLimits& limits) const;
  // As a handler for PeerServer::on(); the service must outlive the server.
  PeerServer::Handler handler() const;

 private:
  std::map<std::string, Method, std::less<>> methods_;
};

}  // namespace sealift::net
