#pragma once

// Text that somebody else wrote, made fit to be shown.

#include <string>
#include <string_view>

namespace sealift {

// For screens and logs: control characters (those of 0x80 to 0x9f in UTF-8 too) are spaces.
std::string printable(std::string_view text);

}  // namespace sealift
