#pragma once

// Reading the fields of a move's messages.

#include <initializer_list>
#include <string_view>

#include "base/json.hpp"

namespace sealift::migrate::protocol {

// An unknown field is a message of another protocol, not something to skip. kInvalid names it.
Status only(const Json& object, std::initializer_list<std::string_view> names);

}  // namespace sealift::migrate::protocol
