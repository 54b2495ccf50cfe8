#pragma once

// What both journal codecs share. Form: u8 version (1), u8 state tag, fields. A text is u32 length and UTF-8,
// at most kReasonBytesMax; a statement or seal is u32 length and bytes, at most kStatementBytesMax.

#include "base/bytes.hpp"
#include "migrate/custody/terms.hpp"

namespace sealift::migrate::custody::codec {

inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::size_t kReasonBytesMax = 4096;
inline constexpr std::size_t kStatementBytesMax = 1024 * 1024;

void put_header(Encoder& out, std::uint8_t tag);
void put_reason(Encoder& out, std::string_view reason);  // cut at the limit

Result<std::uint8_t> get_header(Decoder& in);  // the tag; kUnsupported names both versions
Result<std::string> get_reason(Decoder& in);
Result<Bytes> get_statement(Decoder& in);
Result<Outcome> get_outcome(Decoder& in);

}  // namespace sealift::migrate::custody::codec
