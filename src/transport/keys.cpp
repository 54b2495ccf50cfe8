#include "transport/keys.hpp"

namespace sealift::transport {

namespace {

crypto::Secret derive(const crypto::Secret& session, std::string_view label, ByteView rest) {
  Encoder info;
  info.raw(as_bytes(label)).raw(rest);
  return crypto::hkdf_sha256(session.reveal(), {}, as_text(info.bytes()), crypto::kAeadKeyBytes);
}

}  // namespace

crypto::Secret stream_key(const crypto::Secret& session, Side sender, StreamId stream, std::uint64_t group) {
  Encoder rest;
  rest.u8(static_cast<std::uint8_t>(sender)).u16(stream).u64(group);
  return derive(session, "sealift stream", rest.bytes());
}

crypto::Secret attach_key(const crypto::Secret& session) {
  return derive(session, "sealift attach", {});
}

crypto::Secret link_key(const crypto::Secret& session, Side sender, const crypto::Digest& transcript) {
  Encoder rest;
  rest.u8(static_cast<std::uint8_t>(sender)).raw(transcript.view());
  return derive(session, "sealift link", rest.bytes());
}

}  // namespace sealift::transport
