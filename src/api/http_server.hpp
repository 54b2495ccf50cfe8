#pragma once

// The host's local interface: HTTP/1.1 with JSON bodies on a unix socket, for the command line and for
// scripts. Who may open the socket (mode 0600 in a 0700 directory) may do everything; there is no other
// login. Paths start with /v1; an answer is the object itself, an error is {"error": {"code": "not-found",
// "message": "…"}} with a fitting status.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/result.hpp"

namespace sealift::api {

struct Request {
  std::vector<std::string> captures;         // what the {…} parts of the route's path matched, in order
  std::map<std::string, std::string> query;  // decoded
  Json body = Json::object();                // always an object

  std::string query_or(const std::string& name, std::string fallback) const;
  Result<std::uint64_t> query_number(const std::string& name, std::uint64_t fallback) const;
};

using Handler = std::function<Result<Json>(const Request&)>;
using TextHandler = std::function<Result<std::string>()>;

class HttpServer {
 public:
  HttpServer();
  ~HttpServer();  // stops and joins

  // pattern: "/v1/vms/{}/start"; {} matches one segment.
  void get(const std::string& pattern, Handler handler);
  void post(const std::string& pattern, Handler handler);
  void get_text(const std::string& path, const std::string& content_type, TextHandler handler);

  // Listens on a fresh unix socket at path (an old one is removed: the caller holds the state directory's
  // lock).
  Status start(const file::Path& path);
  // "127.0.0.1:7421" or "[::1]:7421": for health and metrics only, which need no login.
  Status start_tcp(const std::string& host, std::uint16_t port);
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

int http_status(Code code);

}  // namespace sealift::api
