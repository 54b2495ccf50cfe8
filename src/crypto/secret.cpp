#include "crypto/secret.hpp"

#include <algorithm>

#include <openssl/crypto.h>

#include "base/check.hpp"
#include "crypto/digest.hpp"

namespace sealift::crypto {

void wipe(MutableByteView bytes) {
  if (!bytes.empty()) OPENSSL_cleanse(bytes.data(), bytes.size());
}

Secret Secret::random(std::size_t bytes, Random& random) {
  Secret out(bytes);
  random.fill(out.mutable_bytes());
  return out;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe(bytes_);
    bytes_ = std::move(other.bytes_);
    other.bytes_.clear();
  }
  return *this;
}

Secret hkdf_sha256(ByteView input_key, ByteView salt, std::string_view info, std::size_t length_bytes) {
  constexpr std::size_t kBlock = 32;
  SEALIFT_CHECK(length_bytes <= 255 * kBlock);
  Digest pseudo_random_key = hmac_sha256(salt, input_key);
  Secret out(length_bytes);
  Secret message(kBlock + info.size() + 1);  // T(n-1) || info || n
  Digest block;
  for (std::size_t done = 0, n = 1; done < length_bytes; ++n) {
    const std::size_t previous = n == 1 ? 0 : kBlock;
    const MutableByteView input = message.mutable_bytes();
    std::ranges::copy(ByteView(block.bytes).first(previous), input.begin());
    std::ranges::copy(as_bytes(info), input.subspan(previous).begin());
    input[previous + info.size()] = static_cast<std::uint8_t>(n);
    block = hmac_sha256(pseudo_random_key.view(), input.first(previous + info.size() + 1));
    const std::size_t take = std::min(kBlock, length_bytes - done);
    std::ranges::copy(ByteView(block.bytes).first(take), out.mutable_bytes().subspan(done).begin());
    done += take;
  }
  wipe(pseudo_random_key.bytes);
  wipe(block.bytes);
  return out;
}

}  // namespace sealift::crypto
