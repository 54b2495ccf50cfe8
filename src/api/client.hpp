#pragma once

// The other end of the local interface: what the command line uses. One Client per thread.

#include <memory>
#include <string>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/result.hpp"

namespace sealift::api {

class Client {
 public:
  // socket: STATE/api.sock. Nothing is opened before the first call.
  explicit Client(file::Path socket);
  ~Client();

  // The daemon's own errors come back as they are. kUnavailable: no daemon answers there, with what to do.
  Result<Json> get(const std::string& path);
  Result<Json> post(const std::string& path, const Json& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A path segment or query value, percent-encoded (RFC 3986, section 2.1).
std::string encode_segment(std::string_view text);

}  // namespace sealift::api
