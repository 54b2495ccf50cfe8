#include "base/result.hpp"

#include <array>
#include <cerrno>
#include <system_error>

namespace sealift {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::kInvalid: return "invalid";
    case Code::kNotFound: return "not-found";
    case Code::kConflict: return "conflict";
    case Code::kRefused: return "refused";
    case Code::kUnauthorized: return "unauthorized";
    case Code::kCorrupt: return "corrupt";
    case Code::kExhausted: return "exhausted";
    case Code::kUnavailable: return "unavailable";
    case Code::kTimeout: return "timeout";
    case Code::kClosed: return "closed";
    case Code::kCancelled: return "cancelled";
    case Code::kUnsupported: return "unsupported";
    case Code::kIo: return "io";
    case Code::kInternal: return "internal";
  }
  return "internal";
}

Code code_from_text(std::string_view text) {
  static constexpr std::array kCodes{
      Code::kInvalid,   Code::kNotFound,    Code::kConflict,    Code::kRefused,  Code::kUnauthorized,
      Code::kCorrupt,   Code::kExhausted,   Code::kUnavailable, Code::kTimeout,  Code::kClosed,
      Code::kCancelled, Code::kUnsupported, Code::kIo,          Code::kInternal,
  };
  for (const Code code : kCodes) {
    if (to_string(code) == text) return code;
  }
  return Code::kRefused;
}

std::unexpected<Error> because(Error cause, std::string_view doing) {
  cause.message = fmt::format("{}: {}", doing, cause.message);
  return std::unexpected(std::move(cause));
}

std::unexpected<Error> fail_errno(int error_number, std::string_view doing) {
  Code code = Code::kIo;
  switch (error_number) {
    case ENOENT: code = Code::kNotFound; break;
    case EEXIST: code = Code::kConflict; break;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM: code = Code::kExhausted; break;
    case ETIMEDOUT: code = Code::kTimeout; break;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH: code = Code::kUnavailable; break;
    default: break;
  }
  return fail(code, "{}: {}", doing, std::generic_category().message(error_number));
}

}  // namespace sealift
