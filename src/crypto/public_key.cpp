#include <algorithm>

#include <openssl/err.h>

#include "base/check.hpp"
#include "crypto/identity.hpp"
#include "crypto/note.hpp"
#include "crypto/openssl_handles.hpp"

namespace sealift::crypto {

namespace {

constexpr std::string_view kDomain{"sealift-signature/v1\0", 21};
constexpr std::size_t kHostNameMax = 63;
constexpr std::size_t kKeyIdDigits = 8;

// y coordinates (little-endian, sign bit clear) of the points of order 1, 2, 4 and 8.
constexpr std::array<std::string_view, 5> kSmallOrder = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

// y < 2^255 - 19.
bool canonical(const std::array<std::uint8_t, kPublicKeyBytes>& y) {
  if (y[31] != 0x7f || y[0] < 0xed) return true;
  return !std::all_of(y.begin() + 1, y.end() - 1, [](std::uint8_t byte) { return byte == 0xff; });
}

}  // namespace

bool valid_host_name(std::string_view name) {
  return !name.empty() && name.size() <= kHostNameMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Bytes signed_bytes(std::string_view context, ByteView message) {
  if (context.empty()) return {};
  SEALIFT_CHECK(context.size() <= 255);
  Encoder out;
  out.raw(as_bytes(kDomain))
      .u8(static_cast<std::uint8_t>(context.size()))
      .raw(as_bytes(context))
      .raw(message);
  return out.take();
}

Result<PublicKey> PublicKey::from_bytes(ByteView bytes) {
  PublicKey key;
  if (bytes.size() != key.bytes_.size())
    return fail(Code::kInvalid, "an Ed25519 public key has {} bytes, not {}", key.bytes_.size(),
                bytes.size());
  std::ranges::copy(bytes, key.bytes_.begin());
  auto y = key.bytes_;
  y[31] &= 0x7fU;
  if (!canonical(y)) return fail(Code::kInvalid, "the public key is not in its canonical form");
  if (std::ranges::find(kSmallOrder, sealift::hex(y)) != kSmallOrder.end())
    return fail(Code::kInvalid, "the public key is a point of small order, which no key generator makes");
  return key;
}

Result<PublicKey> PublicKey::from_hex(std::string_view text) {
  return from_bytes(SEALIFT_TRY(unhex(text)));
}

Status PublicKey::verify(std::string_view context, ByteView message, ByteView signature) const {
  if (*this == PublicKey()) return fail(Code::kCorrupt, "no key to verify the signature with");
  if (signature.size() != kSignatureBytes)
    return fail(Code::kCorrupt, "a signature has {} bytes, not {}", kSignatureBytes, signature.size());
  const Bytes framed = signed_bytes(context, message);
  const ByteView input = context.empty() ? message : ByteView(framed);
  const KeyHandle key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_.data(), bytes_.size()));
  const DigestContextHandle digest(EVP_MD_CTX_new());
  SEALIFT_CHECK(key && digest);
  const bool good =
      EVP_DigestVerifyInit(digest.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
      EVP_DigestVerify(digest.get(), signature.data(), signature.size(), input.data(), input.size()) == 1;
  if (good) return {};
  ERR_clear_error();
  return fail(Code::kCorrupt, "the signature is not by key {} over these bytes", hex());
}

std::string PublicKey::verifier_key(std::string_view name) const {
  return note_verifier_key({std::string(name), *this}, NoteKeyType::kSignature);
}

Result<NamedKey> PublicKey::parse_verifier_key(std::string_view text) {
  const std::size_t first = text.find('+');
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos)
    return fail(Code::kInvalid, "not a verifier key: it has the form NAME+HASH+KEY");
  const std::string_view name = text.substr(0, first);
  const std::string_view hash = text.substr(first + 1, second - first - 1);
  if (!valid_host_name(name))
    return fail(Code::kInvalid, "verifier key: the name is not 1 to 63 characters of a-z, 0-9 and '-'");
  const Result<Bytes> key = unbase64(text.substr(second + 1));
  if (!key) return because(key.error(), "verifier key of " + std::string(name));
  if (key->size() != 1 + kPublicKeyBytes ||
      key->front() != static_cast<std::uint8_t>(NoteKeyType::kSignature))
    return fail(Code::kInvalid, "verifier key of {}: not an Ed25519 key", name);
  NamedKey out{std::string(name), SEALIFT_TRY(from_bytes(ByteView(*key).subspan(1)))};
  if (hash.size() != kKeyIdDigits || hash != sealift::hex(note_key_id(out, NoteKeyType::kSignature)))
    return fail(Code::kInvalid, "verifier key of {}: the hash does not match, was it copied whole?", name);
  return out;
}

}  // namespace sealift::crypto
