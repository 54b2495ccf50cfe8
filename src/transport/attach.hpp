#pragma once

// How a bulk connection proves to which session it belongs, before its first record. Big-endian:
//
//   initiator -> acceptor   "BULK" | u8 version 1 | u8 0 | u16 link | 16 session id | 32 nonce          56
//   bytes acceptor -> initiator   32 nonce | 32 MAC 64 bytes initiator -> acceptor   32 MAC 32 bytes
//
// MAC = HMAC-SHA-256(attach key, "acceptor" or "initiator" || request || acceptor's nonce). Both nonces are
// fresh, so an attachment cannot be replayed; the digest of request and nonce makes the connection's own keys
// (keys.hpp). link: which of the session's connections this is, from 0.

#include <array>

#include "base/clock.hpp"
#include "net/socket.hpp"
#include "transport/keys.hpp"

namespace sealift::transport {

using SessionId = std::array<std::uint8_t, 16>;

constexpr std::size_t kAttachNonceBytes = 32;
constexpr std::size_t kAttachRequestBytes = 56;
constexpr std::uint8_t kAttachVersion = 1;

struct AttachRequest {
  std::uint16_t link = 0;
  SessionId session{};
  std::array<std::uint8_t, kAttachNonceBytes> nonce{};
  bool operator==(const AttachRequest&) const = default;
};
Bytes encode_attach(const AttachRequest& request);
Result<AttachRequest> decode_attach(ByteView bytes);  // kInvalid, kUnsupported

// The initiator's part on a fresh connection. Returns the attachment's digest. kUnauthorized: the other end
// does not know the session.
Result<crypto::Digest> attach(net::TcpStream& stream, const AttachRequest& request,
                              const crypto::Secret& session, Deadline deadline, const Stop& stop);
// The acceptor's part in two steps: who asks, then the proof under the session found.
Result<AttachRequest> receive_attach(net::TcpStream& stream, Deadline deadline, const Stop& stop);
Result<crypto::Digest> answer_attach(net::TcpStream& stream, const AttachRequest& request,
                                     const crypto::Secret& session, Random& random, Deadline deadline,
                                     const Stop& stop);

}  // namespace sealift::transport
