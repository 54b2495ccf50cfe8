#include "transport/control.hpp"

#include <algorithm>

namespace sealift::transport {

namespace {

void append(Encoder& out, const Agreement& agreement) {
  out.u16(agreement.connections).u32(agreement.window_bytes).u16(agreement.streams_max);
}

Result<Agreement> read_agreement(Decoder& in) {
  Agreement agreement;
  agreement.connections = SEALIFT_TRY(in.u16());
  agreement.window_bytes = SEALIFT_TRY(in.u32());
  agreement.streams_max = SEALIFT_TRY(in.u16());
  const bool sensible = agreement.connections >= 1 && agreement.connections <= kConnectionsMax &&
                        agreement.window_bytes >= kSealedBytesMax &&
                        agreement.window_bytes <= kWindowBytesMax && agreement.streams_max >= 1 &&
                        agreement.streams_max <= kStreamsMax;
  if (!sensible) return fail(Code::kInvalid, "a session's connections, window or streams are out of range");
  return agreement;
}

Status check_version(std::uint8_t version) {
  if (version == kControlVersion) return {};
  return fail(Code::kUnsupported, "session of version {}, this sealift speaks {}: upgrade the older side",
              version, kControlVersion);
}

Result<SessionId> read_session(Decoder& in) {
  SessionId id{};
  std::ranges::copy(SEALIFT_TRY(in.raw(id.size())), id.begin());
  return id;
}

}  // namespace

Bytes encode_open(const OpenRequest& request) {
  Encoder out;
  out.u8(kControlVersion).raw(request.session);
  append(out, request.wanted);
  return out.take();
}

Result<OpenRequest> decode_open(ByteView body) {
  Decoder in(body);
  const std::uint8_t version = SEALIFT_TRY(in.u8());
  SEALIFT_TRY_STATUS(check_version(version));
  OpenRequest request;
  request.session = SEALIFT_TRY(read_session(in));
  request.wanted = SEALIFT_TRY(read_agreement(in));
  SEALIFT_TRY_STATUS(in.finish());
  return request;
}

Bytes encode_agreement(const Agreement& agreement) {
  Encoder out;
  append(out, agreement);
  return out.take();
}

Result<Agreement> decode_agreement(ByteView body) {
  Decoder in(body);
  const Agreement agreement = SEALIFT_TRY(read_agreement(in));
  SEALIFT_TRY_STATUS(in.finish());
  return agreement;
}

Bytes encode_rejoin(const RejoinRequest& request) {
  return Encoder().u8(kControlVersion).raw(request.session).u64(request.received).take();
}

Result<RejoinRequest> decode_rejoin(ByteView body) {
  Decoder in(body);
  const std::uint8_t version = SEALIFT_TRY(in.u8());
  SEALIFT_TRY_STATUS(check_version(version));
  RejoinRequest request;
  request.session = SEALIFT_TRY(read_session(in));
  request.received = SEALIFT_TRY(in.u64());
  SEALIFT_TRY_STATUS(in.finish());
  return request;
}

Bytes encode_count(std::uint64_t count) {
  return Encoder().u64(count).take();
}

Result<std::uint64_t> decode_count(ByteView body) {
  Decoder in(body);
  const std::uint64_t count = SEALIFT_TRY(in.u64());
  SEALIFT_TRY_STATUS(in.finish());
  return count;
}

}  // namespace sealift::transport
