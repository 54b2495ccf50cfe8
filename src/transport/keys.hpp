#pragma once

// Which end one is, and the keys that follow from the session secret: the first TLS connection's exporter
// value (label kSessionLabel, context = session id, 32 bytes). Every other key is HKDF-SHA-256 of it
// (record.hpp, attach.hpp).

#include "crypto/digest.hpp"
#include "crypto/secret.hpp"
#include "transport/record.hpp"

namespace sealift::transport {

constexpr std::string_view kSessionLabel = "EXPORTER-sealift-session-v1";
constexpr std::size_t kSessionSecretBytes = 32;

enum class Side : std::uint8_t { kInitiator = 0, kAcceptor = 1 };
constexpr Side other(Side side) {
  return side == Side::kInitiator ? Side::kAcceptor : Side::kInitiator;
}

// Records of one stream and direction change keys every 2^20 of them: far below GCM's limits for one key.
constexpr unsigned kKeyGroupShift = 20;

// sender: the end that seals.
crypto::Secret stream_key(const crypto::Secret& session, Side sender, StreamId stream, std::uint64_t group);
crypto::Secret attach_key(const crypto::Secret& session);
// Of one TCP connection: transcript is the digest of its attachment, both nonces included.
crypto::Secret link_key(const crypto::Secret& session, Side sender, const crypto::Digest& transcript);

}  // namespace sealift::transport
