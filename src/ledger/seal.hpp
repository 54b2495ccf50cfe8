#pragma once

// Seal: the source's signed word on what exactly left it, one move, one destination, one epoch. The
// destination compares it with what arrived and carries it inside move.commit. In-toto Statement v1 in DSSE
// like a record, predicateType https://sealift.dev/seal/v1, signed by the source alone; parsed as strictly.

#include <vector>

#include "crypto/dsse.hpp"
#include "crypto/identity.hpp"
#include "ledger/ids.hpp"

namespace sealift::ledger {

constexpr std::size_t kSealBytesMax = 64 * 1024;
constexpr std::size_t kSealPartsMax = 160;

// One thing that arrived whole. name: "definition", "firmware", "disk/<name>", "memory/<stream>".
struct SealPart {
  std::string name;
  std::string algorithm;  // "sha256", "blake3-leaves-256k", "transcript-sha256"
  std::uint64_t bytes = 0;
  crypto::Digest digest;
  bool operator==(const SealPart&) const = default;
};
// RFC 6962 root over the parts, sorted by name. A leaf: blob name, blob algorithm, u64 bytes, digest
// (Encoder).
crypto::Digest parts_root(const std::vector<SealPart>& parts);
crypto::Digest disks_root(const std::vector<SealPart>& parts);  // of those named "disk/…" alone

// The source's word, signed by it: predicateType https://sealift.dev/seal/v1. Its root is parts_root().
struct Seal {
  DomainId domain;
  MoveId move;
  VmId vm;
  HostName from;
  HostName to;
  Epoch epoch;
  std::vector<SealPart> parts;  // sorted by name; "definition" is always there
  const SealPart* find(std::string_view name) const;
  crypto::Digest root() const { return parts_root(parts); }
  bool operator==(const Seal&) const = default;
};
Bytes make_seal(const Seal& seal, const crypto::Identity& source);
struct UnverifiedSeal {
  Seal seal;
  crypto::UnverifiedEnvelope envelope;
  Result<Seal> verify(const crypto::PublicKey& source) const;
};
Result<UnverifiedSeal> parse_seal(ByteView envelope);

}  // namespace sealift::ledger
