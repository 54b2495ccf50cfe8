#include "migrate/relay/return_path.hpp"

namespace sealift::migrate {

namespace {

enum : std::uint16_t { kShut = 1, kPong = 2, kSwitchoverAck = 7 };

}  // namespace

Status ReturnPathFilter::feed(ByteView bytes, Bytes& forward) {
  for (const std::uint8_t byte : bytes) {
    if (shut_) return fail(Code::kCorrupt, "return path: bytes after its last message");
    message_[have_++] = byte;
    if (have_ < kHeaderBytes) continue;
    const std::uint16_t type = load_be16(message_.data());
    const std::uint16_t length = load_be16(message_.data() + 2);
    const std::uint16_t expected = type == kSwitchoverAck ? 0 : kPayloadBytes;
    if ((type != kShut && type != kPong && type != kSwitchoverAck) || length != expected) {
      return fail(Code::kCorrupt,
                  "return path: message of type {} and length {} does not belong to a pre-copy", type,
                  length);
    }
    if (have_ == kHeaderBytes + length) SEALIFT_TRY_STATUS(take_message(forward));
  }
  return {};
}

Status ReturnPathFilter::take_message(Bytes& forward) {
  switch (load_be16(message_.data())) {
    case kSwitchoverAck: acknowledged_ = true; break;
    case kShut: shut_ = load_be32(message_.data() + kHeaderBytes); break;
    default:
      forward.insert(forward.end(), message_.begin(), message_.begin() + static_cast<std::ptrdiff_t>(have_));
      break;
  }
  have_ = 0;
  return {};
}

}  // namespace sealift::migrate
