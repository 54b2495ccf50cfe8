#pragma once

// Errors are values. Result<T> is what every fallible function returns; decisions are taken on Error::code
// alone, the message is for people: causes are appended on the way up and printed once, at the edge. No
// exception crosses a module's public header.

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace sealift {

enum class Code {
  kInvalid,       // the input is malformed: configuration, arguments, a peer's bytes
  kNotFound,      // no such VM, file, host, record
  kConflict,      // exists already, or in a state that excludes the request
  kRefused,       // a rule, a policy or the other side says no; nothing was changed
  kUnauthorized,  // the peer is not who it must be
  kCorrupt,       // a digest, a signature or a proof does not match
  kExhausted,     // a limit was reached: space, memory, count
  kUnavailable,   // the other side or a quorum cannot be reached now; trying again is sensible
  kTimeout,       // a deadline passed; the outcome may be unknown
  kClosed,        // the other end closed in good order
  kCancelled,     // stopped on request
  kUnsupported,   // a version or a feature that this build, host or QEMU lacks
  kIo,            // the operating system refused
  kInternal,      // a fault of sealift itself
};

// "not-found", "refused", …: stable words, used in --json and in the API.
std::string_view to_string(Code code);
// Back again. An unknown word, from a newer daemon or peer, reads as kRefused: somebody said no.
Code code_from_text(std::string_view text);

struct Error {
  Code code;
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

// "opening the store: <cause>", the code unchanged.
[[nodiscard]] std::unexpected<Error> because(Error cause, std::string_view doing);

// An errno as an Error: "open /x/y: No such file or directory". ENOSPC is kExhausted, ENOENT kNotFound,
// EEXIST kConflict.
[[nodiscard]] std::unexpected<Error> fail_errno(int error_number, std::string_view doing);

}  // namespace sealift

namespace sealift::detail {

// Hands a value out of SEALIFT_TRY; unlike std::move, its result may be left unused.
template <class T>
T pass(T&& value) {
  return std::forward<T>(value);
}

}  // namespace sealift::detail

// auto value = SEALIFT_TRY(expression);  returns the error from the enclosing function otherwise. Nests: each
// use has a name of its own.
#define SEALIFT_TRY(...) SEALIFT_TRY_AS(SEALIFT_JOINED(sealift_try_, __COUNTER__), __VA_ARGS__)
#define SEALIFT_TRY_AS(name, ...) \
  __extension__({ \
    auto name = (__VA_ARGS__); \
    if (!name) { \
      return std::unexpected(std::move(name).error()); \
    } \
    ::sealift::detail::pass(std::move(*name)); \
  })
#define SEALIFT_JOINED(left, right) SEALIFT_JOINED_NOW(left, right)
#define SEALIFT_JOINED_NOW(left, right) left##right

// SEALIFT_TRY_STATUS(expression);  for Result<void>.
#define SEALIFT_TRY_STATUS(...) SEALIFT_TRY_STATUS_AS(SEALIFT_JOINED(sealift_try_, __COUNTER__), __VA_ARGS__)
#define SEALIFT_TRY_STATUS_AS(name, ...) \
  do { \
    auto name = (__VA_ARGS__); \
    if (!name) { \
      return std::unexpected(std::move(name).error()); \
    } \
  } while (false)
