#pragma once

// The genesis file: what a domain starts from, and all that a verifier of its receipts needs.
//   {"sealift_genesis": 1, "created_ms": n, "nonce": 64 hex, "rules": 1,
//    "founders": [{"name", "key": 64 hex, "endpoints": [], "region", "witness_only"}],
//    "policy": {"approvals": n, "skew_ms": n, "regions": []}}
// The domain's id is the SHA-256 of its exact bytes. The first founder serves term 1.

#include <vector>

#include "ledger/record.hpp"

namespace sealift::ledger {

constexpr std::size_t kGenesisBytesMax = 256 * 1024;
constexpr std::size_t kMembersMax = 64;

struct Policy {
  std::uint32_t approvals = 0;  // k; 0: a majority of the members without the one concerned
  std::uint64_t skew_ms = 30'000;
  std::vector<std::string> regions;  // allowed for hosts that hold VMs; empty: all
  bool operator==(const Policy&) const = default;
};

struct Genesis {
  std::uint64_t created_ms = 0;
  crypto::Digest nonce;
  std::uint32_t rules_version = 1;
  std::vector<HostInfo> founders;
  Policy policy;

  DomainId id() const { return {crypto::sha256(bytes)}; }
  Bytes bytes;  // exact
};

Genesis make_genesis(const HostInfo& founder, const Policy& policy, WallTime created, Random& random);
Result<Genesis> parse_genesis(ByteView bytes);

}  // namespace sealift::ledger
