#pragma once

// A host's identity: one Ed25519 key (RFC 8032), in a PEM file (PKCS#8, mode 0600). What others hold of it is
// its public key, written as a C2SP verifier key:  <name>+<8 hex digits>+<base64(0x01 || 32 key bytes)>,
// the digits being SHA-256(name || 0x0A || 0x01 || key)[:4].
//
// Every signature belongs to a context. Context "" signs the message as it is: for formats that bring their
// own domain separation (C2SP notes and cosignatures, DSSE, X.509, TLS). Any other context signs
//   "sealift-signature/v1" 0x00 || u8 length of context || context || message
// which is none of those formats: notes hold no 0x00, DSSE starts "DSSEv1", X.509 0x30, TLS 1.3 0x20.

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"

struct evp_pkey_st;

namespace sealift::crypto {

constexpr std::size_t kPublicKeyBytes = 32;
constexpr std::size_t kSignatureBytes = 64;

// [a-z0-9-], 1 to 63 characters.
bool valid_host_name(std::string_view name);

struct NamedKey;

class PublicKey {
 public:
  PublicKey() = default;  // no key: verifies nothing
  // kInvalid: not 32 bytes, not canonical, or one of the small-order points (under which anybody can make
  // signatures that hold for many messages).
  static Result<PublicKey> from_bytes(ByteView bytes);
  static Result<PublicKey> from_hex(std::string_view text);

  // kCorrupt when the signature is not this key's over exactly this context and message.
  Status verify(std::string_view context, ByteView message, ByteView signature) const;

  ByteView view() const { return bytes_; }
  std::string hex() const { return sealift::hex(bytes_); }
  Digest id() const { return sha256(bytes_); }  // DSSE keyid is its hex form
  std::string verifier_key(std::string_view name) const;
  static Result<NamedKey> parse_verifier_key(std::string_view text);  // name must be a valid host name
  auto operator<=>(const PublicKey&) const = default;

 private:
  std::array<std::uint8_t, kPublicKeyBytes> bytes_{};
};

struct NamedKey {
  std::string name;
  PublicKey key;
  std::string verifier_key() const { return key.verifier_key(name); }
  auto operator<=>(const NamedKey&) const = default;
};

// Move only; signing is thread-safe. The private key is in OpenSSL's hands, which wipes it.
class Identity {
 public:
  static Identity generate(Random& random = system_random());
  static Result<Identity> from_seed(ByteView seed);  // RFC 8032's 32-byte private key
  // kNotFound; kRefused when group or others may read the file; kCorrupt when it holds no Ed25519 key.
  static Result<Identity> load(const file::Path& path);
  // Durable. kConflict when the file exists: a key is never overwritten.
  Status save(const file::Path& path) const;

  const PublicKey& public_key() const { return public_; }
  Bytes sign(std::string_view context, ByteView message) const;
  Identity clone() const;                             // the same key, shared
  evp_pkey_st* native() const { return key_.get(); }  // for the TLS files only; stays ours

 private:
  explicit Identity(std::shared_ptr<evp_pkey_st> key);
  std::shared_ptr<evp_pkey_st> key_;  // shared: TLS contexts outlive the object that made them
  PublicKey public_;
};

}  // namespace sealift::crypto
