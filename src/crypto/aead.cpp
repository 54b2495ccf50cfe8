#include "crypto/aead.hpp"

#include <limits>

#include <openssl/evp.h>

#include "base/check.hpp"

namespace sealift::crypto {

namespace {

using Nonce = std::array<std::uint8_t, 12>;

Nonce nonce_of(std::uint64_t sequence) {
  Nonce nonce{};
  store_be64(nonce.data() + 4, sequence);
  return nonce;
}

int int_size(ByteView bytes) {
  SEALIFT_CHECK(bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  return static_cast<int>(bytes.size());
}

enum class Way { kSeal, kOpen };

detail::CipherContext make_context(const Secret& key, Way way) {
  SEALIFT_CHECK(key.size() == kAeadKeyBytes);
  detail::CipherContext context(EVP_CIPHER_CTX_new());
  SEALIFT_CHECK(context != nullptr);
  const int made = EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.reveal().data(), nullptr,
                                     way == Way::kSeal ? 1 : 0);
  SEALIFT_CHECK(made == 1);
  return context;
}

// Nonce, associated data, then the data in place: the same calls in both directions.
bool run(EVP_CIPHER_CTX* context, std::uint64_t sequence, ByteView associated, MutableByteView data) {
  const Nonce nonce = nonce_of(sequence);
  int written = 0;
  if (EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, nonce.data(), -1) != 1) return false;
  if (!associated.empty() &&
      EVP_CipherUpdate(context, nullptr, &written, associated.data(), int_size(associated)) != 1)
    return false;
  return data.empty() || EVP_CipherUpdate(context, data.data(), &written, data.data(), int_size(data)) == 1;
}

}  // namespace

void detail::CipherContextFree::operator()(evp_cipher_ctx_st* context) const {
  EVP_CIPHER_CTX_free(context);
}

Sealer::Sealer(const Secret& key) : context_(make_context(key, Way::kSeal)) {}

void Sealer::seal(std::uint64_t sequence, ByteView associated, MutableByteView data,
                  std::span<std::uint8_t, kAeadTagBytes> tag) {
  SEALIFT_CHECK(sequence >= next_sequence_ && sequence != std::numeric_limits<std::uint64_t>::max());
  next_sequence_ = sequence + 1;
  int written = 0;
  std::array<std::uint8_t, 16> rest{};  // GCM never writes here: it has no padding
  SEALIFT_CHECK(run(context_.get(), sequence, associated, data));
  SEALIFT_CHECK(EVP_CipherFinal_ex(context_.get(), rest.data(), &written) == 1);
  SEALIFT_CHECK(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes, tag.data()) == 1);
}

Opener::Opener(const Secret& key) : context_(make_context(key, Way::kOpen)) {}

Status Opener::open(std::uint64_t sequence, ByteView associated, MutableByteView data,
                    std::span<const std::uint8_t, kAeadTagBytes> tag) {
  std::array<std::uint8_t, kAeadTagBytes> expected{};  // OpenSSL takes it as mutable
  std::ranges::copy(tag, expected.begin());
  SEALIFT_CHECK(run(context_.get(), sequence, associated, data));
  SEALIFT_CHECK(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes, expected.data()) ==
                1);
  int written = 0;
  std::array<std::uint8_t, 16> rest{};
  if (EVP_CipherFinal_ex(context_.get(), rest.data(), &written) != 1) {
    wipe(data);
    return fail(Code::kCorrupt, "sealed record {} ({} bytes) is not what was sealed", sequence, data.size());
  }
  return {};
}

}  // namespace sealift::crypto
