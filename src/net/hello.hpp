#pragma once

// The first frame in each direction of a TLS connection (class 1).
//
//   type 1 HELLO    dialler to listener      type 2 WELCOME  listener to dialler
//     u8 count, then that many u8      wire versions that the sender speaks, 1 to 16 of them
//     text purpose                     "ledger", "move", "join", …; 1 to 32 of [a-z0-9-]; same in WELCOME
//     text host name                   the sender's, 1 to 63 of [a-z0-9-]
//     text domain id                   up to 64 printable characters; empty: none, or not told
//   type 3 REFUSED  listener to dialler: an error (error_wire.hpp)
//
// text = u32 length and bytes. Nothing may follow. Both sides take the highest version that both speak.

#include <string>
#include <vector>

#include "net/frame.hpp"

namespace sealift::net {

constexpr std::size_t kHelloBytesMax = 2048;
enum class HelloType : std::uint16_t { kHello = 1, kWelcome = 2, kRefused = 3 };

struct Hello {
  std::vector<std::uint8_t> versions{kWireVersion};
  std::string purpose;
  std::string host_name;
  std::string domain;
  bool operator==(const Hello&) const = default;
};

Bytes encode_hello(const Hello& hello);
Result<Hello> decode_hello(ByteView body);  // kInvalid

// The version to speak. kUnsupported names both sides' versions and which side is to be upgraded.
Result<std::uint8_t> common_version(const Hello& ours, const Hello& theirs);

}  // namespace sealift::net
