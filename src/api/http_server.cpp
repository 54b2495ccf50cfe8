#include "api/http_server.hpp"

#include <httplib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

#include "base/log.hpp"

namespace sealift::api {

namespace {

constexpr std::size_t kBodyBytesMax = 1024 * 1024;
// Watchers wait inside their request (long poll): enough threads that they never starve a command.
constexpr std::size_t kThreads = 32;
constexpr const char* kJsonType = "application/json";

std::string to_regex(const std::string& pattern) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern.compare(i, 2, "{}") == 0) {
      out += "([^/]+)";
      ++i;
    } else {
      out += pattern[i];
    }
  }
  return out;
}

void set_error(httplib::Response& response, const Error& error) {
  response.status = http_status(error.code);
  const Json body = {{"error", {{"code", to_string(error.code)}, {"message", error.message}}}};
  response.set_content(json::dump(body), kJsonType);
}

Result<Request> decode(const httplib::Request& in) {
  Request request;
  for (std::size_t i = 1; i < in.matches.size(); ++i) request.captures.push_back(in.matches[i].str());
  for (const auto& [name, value] : in.params) request.query[name] = value;
  if (!in.body.empty()) {
    request.body = SEALIFT_TRY(json::parse(in.body, kBodyBytesMax));
    if (!request.body.is_object()) return fail(Code::kInvalid, "the request's body is not a JSON object");
  }
  return request;
}

}  // namespace

std::string Request::query_or(const std::string& name, std::string fallback) const {
  const auto found = query.find(name);
  return found == query.end() ? std::move(fallback) : found->second;
}

Result<std::uint64_t> Request::query_number(const std::string& name, std::uint64_t fallback) const {
  const auto found = query.find(name);
  if (found == query.end()) return fallback;
  std::uint64_t value = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [at, error] = std::from_chars(found->second.data(), end, value);
  if (error != std::errc() || at != end) return fail(Code::kInvalid, "query '{}' is not a number", name);
  return value;
}

int http_status(Code code) {
  switch (code) {
    case Code::kInvalid: return 400;
    case Code::kUnauthorized: return 403;
    case Code::kNotFound: return 404;
    case Code::kConflict: return 409;
    case Code::kRefused:
    case Code::kCorrupt: return 422;
    case Code::kExhausted: return 507;
    case Code::kUnavailable:
    case Code::kClosed:
    case Code::kCancelled: return 503;
    case Code::kTimeout: return 504;
    case Code::kUnsupported: return 501;
    case Code::kIo:
    case Code::kInternal: return 500;
  }
  return 500;
}

struct HttpServer::Impl {
  httplib::Server server;
  std::jthread thread;
  file::Path path;

  void run() {
    thread = std::jthread([this] { server.listen_after_bind(); });
    while (!server.is_running()) std::this_thread::yield();  // stop() before that would be lost
  }

  static httplib::Server::Handler wrap(Handler handler) {
    return [handler = std::move(handler)](const httplib::Request& in, httplib::Response& out) {
      const auto request = decode(in);
      if (!request) return set_error(out, request.error());
      const auto answer = handler(*request);
      if (!answer) return set_error(out, answer.error());
      out.set_content(json::dump(*answer), kJsonType);
    };
  }
};

HttpServer::HttpServer() : impl_(std::make_unique<Impl>()) {
  httplib::Server& server = impl_->server;
  server.set_payload_max_length(kBodyBytesMax);
  server.set_keep_alive_max_count(1000);
  server.set_read_timeout(30);
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_exception_handler([](const httplib::Request& in, httplib::Response& out, std::exception_ptr) {
    log_error("api.exception", {{"path", in.path}});
    set_error(out, {Code::kInternal, "sealift failed inside; the daemon's log says where"});
  });
  server.set_error_handler([](const httplib::Request& in, httplib::Response& out) {
    if (out.body.empty()) {
      set_error(out, {Code::kNotFound,
                      fmt::format("the daemon knows no {} {} (another version?)", in.method, in.path)});
    }
  });
}

HttpServer::~HttpServer() {
  stop();
}

void HttpServer::get(const std::string& pattern, Handler handler) {
  impl_->server.Get(to_regex(pattern), Impl::wrap(std::move(handler)));
}

void HttpServer::post(const std::string& pattern, Handler handler) {
  impl_->server.Post(to_regex(pattern), Impl::wrap(std::move(handler)));
}

void HttpServer::get_text(const std::string& path, const std::string& content_type, TextHandler handler) {
  impl_->server.Get(
      path, [handler = std::move(handler), content_type](const httplib::Request&, httplib::Response& out) {
        const auto answer = handler();
        if (!answer) return set_error(out, answer.error());
        out.set_content(*answer, content_type);
      });
}

Status HttpServer::start(const file::Path& path) {
  ::unlink(path.c_str());
  impl_->path = path;
  impl_->server.set_address_family(AF_UNIX);
  const mode_t old_mask = ::umask(0177);
  const bool bound = impl_->server.bind_to_port(path.string().c_str(), 80);
  ::umask(old_mask);
  if (!bound) {
    return fail(Code::kIo, "cannot listen on {} (a path of more than 107 bytes does not fit a unix socket)",
                path.string());
  }
  impl_->run();
  return {};
}

Status HttpServer::start_tcp(const std::string& host, std::uint16_t port) {
  impl_->server.set_address_family(AF_UNSPEC);
  if (!impl_->server.bind_to_port(host.c_str(), port)) {
    return fail(Code::kConflict, "cannot listen on {} port {}: is it in use?", host, port);
  }
  impl_->run();
  return {};
}

void HttpServer::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->server.stop();
  impl_->thread.join();
  if (!impl_->path.empty()) ::unlink(impl_->path.c_str());
}

}  // namespace sealift::api
