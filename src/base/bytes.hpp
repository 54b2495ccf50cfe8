#pragma once

// Bytes, their text forms, and a bounded codec. All integers on the wire and on disk are big-endian unless a
// format says otherwise. A Decoder never reads past its input and never allocates more than the input holds.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace sealift {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableByteView = std::span<std::uint8_t>;

ByteView as_bytes(std::string_view text);
std::string_view as_text(ByteView bytes);
Bytes to_bytes(std::string_view text);

std::string hex(ByteView bytes);                   // lower case
Result<Bytes> unhex(std::string_view text);        // either case, even length; kInvalid
std::string base64(ByteView bytes);                // RFC 4648 section 4, padded
Result<Bytes> unbase64(std::string_view text);     // strict: padded, no white space, no stray bits; kInvalid
bool equal_constant_time(ByteView a, ByteView b);  // length is not secret

class Encoder {
 public:
  Encoder& u8(std::uint8_t value);
  Encoder& u16(std::uint16_t value);
  Encoder& u32(std::uint32_t value);
  Encoder& u64(std::uint64_t value);
  Encoder& raw(ByteView bytes);          // no length
  Encoder& blob(ByteView bytes);         // u32 length, then the bytes
  Encoder& text(std::string_view text);  // as blob
  const Bytes& bytes() const { return out_; }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

// Errors are kInvalid: "truncated: need 8 bytes, 3 left". After an error the Decoder must not be used
// further.
class Decoder {
 public:
  explicit Decoder(ByteView input) : in_(input) {}
  Result<std::uint8_t> u8();
  Result<std::uint16_t> u16();
  Result<std::uint32_t> u32();
  Result<std::uint64_t> u64();
  Result<ByteView> raw(std::size_t bytes);       // a view into the input
  Result<ByteView> blob(std::size_t bytes_max);  // refused when longer than bytes_max
  Result<std::string> text(std::size_t bytes_max);
  std::size_t left() const { return in_.size(); }
  Status finish() const;  // kInvalid when bytes are left over

 private:
  ByteView in_;
};

void store_be16(std::uint8_t* out, std::uint16_t value);
void store_be32(std::uint8_t* out, std::uint32_t value);
void store_be64(std::uint8_t* out, std::uint64_t value);
std::uint16_t load_be16(const std::uint8_t* in);
std::uint32_t load_be32(const std::uint8_t* in);
std::uint64_t load_be64(const std::uint8_t* in);

}  // namespace sealift
