#pragma once

// AES-256-GCM for bulk records. One key per stream and direction; nonce = 4 zero bytes || sequence (u64,
// big-endian). A Sealer takes rising sequences only (a repeated nonce would give the key's authentication
// away: programmer error, checked). An Opener takes any sequence: the order is for the caller to enforce, who
// knows which record it expects. Contexts are reused and nothing is allocated per record. One thread at a
// time each.

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/secret.hpp"

struct evp_cipher_ctx_st;

namespace sealift::crypto {

constexpr std::size_t kAeadKeyBytes = 32;
constexpr std::size_t kAeadTagBytes = 16;

namespace detail {
struct CipherContextFree {
  void operator()(evp_cipher_ctx_st* context) const;
};
using CipherContext = std::unique_ptr<evp_cipher_ctx_st, CipherContextFree>;
}  // namespace detail

class Sealer {
 public:
  explicit Sealer(const Secret& key);  // kAeadKeyBytes
  // Encrypts data in place and writes the tag. associated is authenticated only.
  void seal(std::uint64_t sequence, ByteView associated, MutableByteView data,
            std::span<std::uint8_t, kAeadTagBytes> tag);

 private:
  detail::CipherContext context_;
  std::uint64_t next_sequence_ = 0;
};

class Opener {
 public:
  explicit Opener(const Secret& key);
  // Decrypts data in place. kCorrupt when tag, data, associated, sequence or key do not belong together: data
  // is zeroed then, so that unverified plaintext is never used.
  Status open(std::uint64_t sequence, ByteView associated, MutableByteView data,
              std::span<const std::uint8_t, kAeadTagBytes> tag);

 private:
  detail::CipherContext context_;
};

}  // namespace sealift::crypto
