// SHA256_Init and its kind are deprecated in OpenSSL 3 in favour of EVP, whose allocation and provider
// look-up cost several times a tree node's hash; the functions themselves stay, and are the same accelerated
// code.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/digest.hpp"

#include <cstring>

#include <blake3.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/check.hpp"

namespace sealift::crypto {

namespace {

static_assert(sizeof(SHA256_CTX) == 112 && alignof(SHA256_CTX) <= 8);

// The bytes of state_ are a SHA256_CTX: copied in and out, so that no type is punned.
SHA256_CTX load(const std::array<std::uint8_t, 112>& state) {
  SHA256_CTX context;
  std::memcpy(&context, state.data(), sizeof(context));
  return context;
}

void store(std::array<std::uint8_t, 112>& state, const SHA256_CTX& context) {
  std::memcpy(state.data(), &context, sizeof(context));
}

}  // namespace

std::string Digest::hex() const {
  return sealift::hex(bytes);
}

Result<Digest> Digest::from_hex(std::string_view text) {
  for (const char c : text) {
    if (c >= 'A' && c <= 'F') return fail(Code::kInvalid, "a digest is written in lower case");
  }
  return from_bytes(SEALIFT_TRY(unhex(text)));
}

Result<Digest> Digest::from_bytes(ByteView bytes) {
  Digest out;
  if (bytes.size() != out.bytes.size())
    return fail(Code::kInvalid, "a digest has {} bytes, not {}", out.bytes.size(), bytes.size());
  std::memcpy(out.bytes.data(), bytes.data(), bytes.size());
  return out;
}

std::size_t DigestHash::operator()(const Digest& digest) const {
  std::size_t value = 0;
  std::memcpy(&value, digest.bytes.data(), sizeof(value));
  return value;
}

Digest sha256(ByteView bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

Digest blake3(ByteView bytes) {
  Digest out;
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  blake3_hasher_update(&hasher, bytes.data(), bytes.size());
  blake3_hasher_finalize(&hasher, out.bytes.data(), out.bytes.size());
  return out;
}

Sha256::Sha256() {
  SHA256_CTX context;
  std::memset(&context, 0, sizeof(context));
  SHA256_Init(&context);
  store(state_, context);
}

void Sha256::update(ByteView bytes) {
  if (bytes.empty()) return;
  SHA256_CTX context = load(state_);
  SHA256_Update(&context, bytes.data(), bytes.size());
  store(state_, context);
}

Digest Sha256::finish() {
  SHA256_CTX context = load(state_);
  Digest out;
  SHA256_Final(out.bytes.data(), &context);
  *this = Sha256();
  return out;
}

Digest hmac_sha256(ByteView key, ByteView message) {
  Digest out;
  unsigned int length = 0;
  SEALIFT_CHECK(key.size() <= 1U << 20U);
  // OpenSSL takes a null key for "the previous one": an empty key must not be null.
  static constexpr std::uint8_t kNoKey = 0;
  const std::uint8_t* key_data = key.empty() ? &kNoKey : key.data();
  SEALIFT_CHECK(HMAC(EVP_sha256(), key_data, static_cast<int>(key.size()), message.data(), message.size(),
                     out.bytes.data(), &length) != nullptr &&
                length == out.bytes.size());
  return out;
}

}  // namespace sealift::crypto
