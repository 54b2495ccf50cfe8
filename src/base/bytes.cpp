#include "base/bytes.hpp"

#include <algorithm>

namespace sealift {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

template <class T>
void append_be(Bytes& out, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

template <class T>
T load_be(const std::uint8_t* in) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>((value << 8) | in[i]);
  }
  return value;
}

template <>
std::uint8_t load_be<std::uint8_t>(const std::uint8_t* in) {
  return *in;
}

template <class T>
void store_be(std::uint8_t* out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out[i] = static_cast<std::uint8_t>(value >> (8 * (sizeof(T) - 1 - i)));
  }
}

}  // namespace

ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Bytes to_bytes(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

std::string hex(ByteView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out.push_back(kHexDigits[byte >> 4U]);
    out.push_back(kHexDigits[byte & 0x0fU]);
  }
  return out;
}

Result<Bytes> unhex(std::string_view text) {
  if (text.size() % 2 != 0) return fail(Code::kInvalid, "hex text has an odd length ({})", text.size());
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return fail(Code::kInvalid, "not a hex digit at position {}", i);
    out.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return out;
}

std::string base64(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = (group << 8U) | (k < have ? bytes[i + k] : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out.push_back(k <= have ? kBase64Digits[(group >> (18 - 6 * k)) & 0x3fU] : '=');
    }
  }
  return out;
}

Result<Bytes> unbase64(std::string_view text) {
  if (text.size() % 4 != 0)
    return fail(Code::kInvalid, "base64 text has length {}, not a multiple of 4", text.size());
  Bytes out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    std::size_t have = 4;
    if (last && text[i + 3] == '=') have = text[i + 2] == '=' ? 2 : 3;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const int value = k < have ? base64_value(text[i + k]) : 0;
      if (value < 0) return fail(Code::kInvalid, "not a base64 digit at position {}", i + k);
      group = (group << 6U) | static_cast<std::uint32_t>(value);
    }
    const std::uint32_t stray = have == 2 ? group & 0xffffU : have == 3 ? group & 0xffU : 0U;
    if (stray != 0) return fail(Code::kInvalid, "base64 text ends in stray bits");
    for (std::size_t k = 0; k + 1 < have; ++k) {
      out.push_back(static_cast<std::uint8_t>(group >> (16 - 8 * k)));
    }
  }
  return out;
}

bool equal_constant_time(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

Encoder& Encoder::u8(std::uint8_t value) {
  out_.push_back(value);
  return *this;
}
Encoder& Encoder::u16(std::uint16_t value) {
  append_be(out_, value);
  return *this;
}
Encoder& Encoder::u32(std::uint32_t value) {
  append_be(out_, value);
  return *this;
}
Encoder& Encoder::u64(std::uint64_t value) {
  append_be(out_, value);
  return *this;
}
Encoder& Encoder::raw(ByteView bytes) {
  out_.insert(out_.end(), bytes.begin(), bytes.end());
  return *this;
}
Encoder& Encoder::blob(ByteView bytes) {
  u32(static_cast<std::uint32_t>(bytes.size()));
  return raw(bytes);
}
Encoder& Encoder::text(std::string_view text) {
  return blob(as_bytes(text));
}

Result<ByteView> Decoder::raw(std::size_t bytes) {
  if (bytes > in_.size()) return fail(Code::kInvalid, "truncated: need {} bytes, {} left", bytes, in_.size());
  const ByteView out = in_.first(bytes);
  in_ = in_.subspan(bytes);
  return out;
}
Result<std::uint8_t> Decoder::u8() {
  return load_be<std::uint8_t>(SEALIFT_TRY(raw(1)).data());
}
Result<std::uint16_t> Decoder::u16() {
  return load_be16(SEALIFT_TRY(raw(2)).data());
}
Result<std::uint32_t> Decoder::u32() {
  return load_be32(SEALIFT_TRY(raw(4)).data());
}
Result<std::uint64_t> Decoder::u64() {
  return load_be64(SEALIFT_TRY(raw(8)).data());
}
Result<ByteView> Decoder::blob(std::size_t bytes_max) {
  const std::uint32_t bytes = SEALIFT_TRY(u32());
  if (bytes > bytes_max)
    return fail(Code::kInvalid, "field of {} bytes is over the limit of {}", bytes, bytes_max);
  return raw(bytes);
}
Result<std::string> Decoder::text(std::size_t bytes_max) {
  return std::string(as_text(SEALIFT_TRY(blob(bytes_max))));
}
Status Decoder::finish() const {
  if (!in_.empty()) return fail(Code::kInvalid, "{} bytes left over", in_.size());
  return {};
}

void store_be16(std::uint8_t* out, std::uint16_t value) {
  store_be(out, value);
}
void store_be32(std::uint8_t* out, std::uint32_t value) {
  store_be(out, value);
}
void store_be64(std::uint8_t* out, std::uint64_t value) {
  store_be(out, value);
}
std::uint16_t load_be16(const std::uint8_t* in) {
  return load_be<std::uint16_t>(in);
}
std::uint32_t load_be32(const std::uint8_t* in) {
  return load_be<std::uint32_t>(in);
}
std::uint64_t load_be64(const std::uint8_t* in) {
  return load_be<std::uint64_t>(in);
}

}  // namespace sealift
