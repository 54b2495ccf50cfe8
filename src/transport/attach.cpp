#include "transport/attach.hpp"

#include <algorithm>

namespace sealift::transport {

namespace {

constexpr std::string_view kMagic = "BULK";

crypto::Digest attach_mac(const crypto::Secret& session, std::string_view side, ByteView request,
                          ByteView nonce) {
  Encoder text;
  text.raw(as_bytes(side)).raw(request).raw(nonce);
  return crypto::hmac_sha256(attach_key(session).reveal(), text.bytes());
}

crypto::Digest attachment(ByteView request, ByteView nonce) {
  Encoder text;
  text.raw(request).raw(nonce);
  return crypto::sha256(text.bytes());
}

}  // namespace

Bytes encode_attach(const AttachRequest& request) {
  return Encoder()
      .raw(as_bytes(kMagic))
      .u8(kAttachVersion)
      .u8(0)
      .u16(request.link)
      .raw(request.session)
      .raw(request.nonce)
      .take();
}

Result<AttachRequest> decode_attach(ByteView bytes) {
  Decoder in(bytes);
  if (as_text(SEALIFT_TRY(in.raw(kMagic.size()))) != kMagic)
    return fail(Code::kInvalid, "not a bulk connection");
  const std::uint8_t version = SEALIFT_TRY(in.u8());
  if (version != kAttachVersion) {
    return fail(Code::kUnsupported, "bulk connection of version {}, this sealift speaks {}", version,
                kAttachVersion);
  }
  if (SEALIFT_TRY(in.u8()) != 0) return fail(Code::kInvalid, "not a bulk connection");
  AttachRequest request;
  request.link = SEALIFT_TRY(in.u16());
  std::ranges::copy(SEALIFT_TRY(in.raw(request.session.size())), request.session.begin());
  std::ranges::copy(SEALIFT_TRY(in.raw(request.nonce.size())), request.nonce.begin());
  SEALIFT_TRY_STATUS(in.finish());
  return request;
}

Result<crypto::Digest> attach(net::TcpStream& stream, const AttachRequest& request,
                              const crypto::Secret& session, Deadline deadline, const Stop& stop) {
  const Bytes sent = encode_attach(request);
  SEALIFT_TRY_STATUS(stream.write_all(sent, deadline, stop));
  std::array<std::uint8_t, kAttachNonceBytes + 32> answer{};
  SEALIFT_TRY_STATUS(net::read_exact(stream, answer, deadline, stop));
  const ByteView nonce = ByteView(answer).first(kAttachNonceBytes);
  const ByteView proof = ByteView(answer).subspan(kAttachNonceBytes);
  if (!equal_constant_time(attach_mac(session, "acceptor", sent, nonce).view(), proof)) {
    return fail(Code::kUnauthorized, "the other end of a bulk connection does not know the session");
  }
  SEALIFT_TRY_STATUS(stream.write_all(attach_mac(session, "initiator", sent, nonce).view(), deadline, stop));
  return attachment(sent, nonce);
}

Result<AttachRequest> receive_attach(net::TcpStream& stream, Deadline deadline, const Stop& stop) {
  std::array<std::uint8_t, kAttachRequestBytes> bytes{};
  SEALIFT_TRY_STATUS(net::read_exact(stream, bytes, deadline, stop));
  return decode_attach(bytes);
}

Result<crypto::Digest> answer_attach(net::TcpStream& stream, const AttachRequest& request,
                                     const crypto::Secret& session, Random& random, Deadline deadline,
                                     const Stop& stop) {
  const Bytes asked = encode_attach(request);
  std::array<std::uint8_t, kAttachNonceBytes> nonce{};
  random.fill(nonce);
  Encoder answer;
  answer.raw(nonce).raw(attach_mac(session, "acceptor", asked, nonce).view());
  SEALIFT_TRY_STATUS(stream.write_all(answer.bytes(), deadline, stop));
  std::array<std::uint8_t, 32> proof{};
  SEALIFT_TRY_STATUS(net::read_exact(stream, proof, deadline, stop));
  if (!equal_constant_time(attach_mac(session, "initiator", asked, nonce).view(), proof)) {
    return fail(Code::kUnauthorized, "a bulk connection from {} does not belong to the session it names",
                stream.peer());
  }
  return attachment(asked, nonce);
}

}  // namespace sealift::transport
