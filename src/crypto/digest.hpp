#pragma once

// Digests and keyed derivations. SHA-256 for trees, records, blocks and transcripts; BLAKE3 for disk leaves.
// One type for both: which algorithm made a digest is said by the format that carries it.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace sealift::crypto {

struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const Digest&) const = default;
  std::string hex() const;                                // 64 lower-case digits
  static Result<Digest> from_hex(std::string_view text);  // 64 lower-case digits exactly; kInvalid
  static Result<Digest> from_bytes(ByteView bytes);       // 32 bytes exactly; kInvalid
  ByteView view() const { return bytes; }
};

// Digests are uniformly distributed: their first bytes hash them for unordered containers.
struct DigestHash {
  std::size_t operator()(const Digest& digest) const;
};

Digest sha256(ByteView bytes);
Digest blake3(ByteView bytes);  // unkeyed, 32 bytes of output; no allocation, about 256 KiB is its best size

// Incremental SHA-256. Copying it forks the computation: a running transcript can be read (on a copy) and
// continued. No allocation, no OpenSSL provider look-up: cheap enough for 65-byte tree nodes.
class Sha256 {
 public:
  Sha256();
  void update(ByteView bytes);
  Digest finish();  // afterwards as newly constructed

 private:
  alignas(8) std::array<std::uint8_t, 112> state_{};  // SHA256_CTX, asserted in digest.cpp
};

Digest hmac_sha256(ByteView key, ByteView message);  // RFC 2104

}  // namespace sealift::crypto
