#pragma once

// An Error on its way to another host: text code (the words of sealift::to_string) || text message, each u32
// length and bytes, at most 32 and 1024 of them. An unknown code, from a newer peer, reads as kRefused.

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace sealift::net {

constexpr std::size_t kErrorBytesMax = 8 + 32 + 1024;

Bytes encode_error(const Error& error);  // longer messages are cut
Result<Error> decode_error(ByteView body);

}  // namespace sealift::net
