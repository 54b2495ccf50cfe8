#pragma once

// Reading the fields of a move's messages and of what a journal keeps of them.

#include <initializer_list>
#include <string_view>

#include "base/json.hpp"

namespace sealift::migrate::protocol {

// An unknown field is a message of another protocol, not something to skip. kInvalid names it.
Status only(const Json& object, std::initializer_list<std::string_view> names);

// The text under `field`, read by T::parse or T::from_hex.
template <class T>
Result<T> read_id(const Json& object, std::string_view field) {
  const std::string text = SEALIFT_TRY(json::text(object, field));
  if constexpr (requires { T::parse(text); }) {
    return T::parse(text);
  } else {
    return T::from_hex(text);
  }
}

}  // namespace sealift::migrate::protocol
