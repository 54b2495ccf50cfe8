#pragma once

// Secret: key material. Wiped when it goes, moved but never copied, and without any formatter, so that it
// cannot reach a log by accident. reveal() is the one word to search for in a review.

#include <cstddef>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"

namespace sealift::crypto {

void wipe(MutableByteView bytes);  // not optimised away

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::size_t bytes) : bytes_(bytes) {}  // zeros, to be filled through mutable_bytes()
  explicit Secret(ByteView bytes) : bytes_(bytes.begin(), bytes.end()) {}
  static Secret random(std::size_t bytes, Random& random = system_random());

  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(bytes_); }

  ByteView reveal() const { return bytes_; }
  MutableByteView mutable_bytes() { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  Secret clone() const { return Secret(reveal()); }

 private:
  Bytes bytes_;  // sized once: growing would leave copies behind
};

// RFC 5869 with SHA-256, extract then expand. length_bytes <= 255 * 32.
Secret hkdf_sha256(ByteView input_key, ByteView salt, std::string_view info, std::size_t length_bytes);

}  // namespace sealift::crypto
