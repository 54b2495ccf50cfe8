#include "api/client.hpp"

#include <httplib.h>
#include <sys/socket.h>

namespace sealift::api {

namespace {

constexpr std::size_t kAnswerBytesMax = 64 * 1024 * 1024;

}  // namespace

struct Client::Impl {
  file::Path socket;
  httplib::Client http;

  explicit Impl(file::Path path) : socket(std::move(path)), http(socket.string(), 80) {
    http.set_address_family(AF_UNIX);
    http.set_keep_alive(true);
    http.set_read_timeout(24 * 3600);  // some commands wait for an answer of the ledger; Ctrl-C detaches
  }

  Result<Json> decode(const httplib::Result& result) const {
    if (!result) {
      if (result.error() == httplib::Error::Connection) {
        return fail(Code::kUnavailable,
                    "no sealift daemon answers at {}: start it with 'sealift host run' (after 'sealift host "
                    "init'), or name "
                    "its state directory with --state",
                    socket.string());
      }
      return fail(
          Code::kUnavailable,
          "the daemon at {} broke off ({}): what was asked may have been done; look before asking again",
          socket.string(), httplib::to_string(result.error()));
    }
    const Json body = SEALIFT_TRY(json::parse(result->body, kAnswerBytesMax));
    if (result->status < 300) return body;
    const Json error = SEALIFT_TRY(json::object(body, "error"));
    return fail(code_from_text(SEALIFT_TRY(json::text(error, "code"))), "{}",
                SEALIFT_TRY(json::text(error, "message")));
  }
};

Client::Client(file::Path socket) : impl_(std::make_unique<Impl>(std::move(socket))) {}
Client::~Client() = default;

Result<Json> Client::get(const std::string& path) {
  return impl_->decode(impl_->http.Get(path));
}

Result<Json> Client::post(const std::string& path, const Json& body) {
  return impl_->decode(impl_->http.Post(path, json::dump(body), "application/json"));
}

std::string encode_segment(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace sealift::api
