#pragma once

// JSON from outside: parsed without exceptions, bounded in size and depth, fields read by name with errors
// that name them. Used for QMP, the local API, records and configuration answers.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace sealift {

using Json = nlohmann::json;

namespace json {

constexpr std::size_t kDepthMax = 64;

// kInvalid: not JSON, larger than bytes_max, deeper than kDepthMax, not UTF-8, or a duplicate key.
Result<Json> parse(std::string_view text, std::size_t bytes_max);
std::string dump(const Json& value);         // one line; invalid UTF-8 replaced
std::string dump_pretty(const Json& value);  // two spaces

// kInvalid names the field: "field 'epoch' is missing" / "is not a whole number from 0 to 2^63-1".
Result<std::string> text(const Json& object, std::string_view name);
Result<std::uint64_t> number(const Json& object, std::string_view name);
Result<bool> boolean(const Json& object, std::string_view name);
Result<Json> object(const Json& object, std::string_view name);
Result<Json> array(const Json& object, std::string_view name);
// The text under that name, read by T::parse or T::from_hex.
template <class T>
Result<T> id(const Json& object, std::string_view name) {
  const std::string read = SEALIFT_TRY(text(object, name));
  if constexpr (requires { T::parse(read); }) {
    return T::parse(read);
  } else {
    return T::from_hex(read);
  }
}
bool has(const Json& object, std::string_view name);
// What is text in the array; none without it.
std::vector<std::string> texts(const Json& object, std::string_view name);

}  // namespace json
}  // namespace sealift
