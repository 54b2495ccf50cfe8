#pragma once

// The names that records speak of, each its own type. Every id has one text form, used in records, state
// keys, messages and JSON: hosts by name, VMs by lower-case UUID, moves, records and domains by 64 hex
// digits.

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"

namespace sealift::ledger {

// A member's name, valid by crypto::valid_host_name. A default one is empty: "no host".
class HostName {
 public:
  HostName() = default;
  static Result<HostName> parse(std::string_view text);
  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const HostName&) const = default;

 private:
  std::string text_;
};

// UUID, lower case, 8-4-4-4-12. A default one is empty. make() draws a random one (version 4).
class VmId {
 public:
  VmId() = default;
  static Result<VmId> parse(std::string_view text);
  static VmId make(Random& random);
  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const VmId&) const = default;

 private:
  std::string text_;
};

// A digest that names a thing; Tag keeps the kinds apart.
template <class Tag>
struct DigestId {
  crypto::Digest digest;
  auto operator<=>(const DigestId&) const = default;
  std::string hex() const { return digest.hex(); }
  static Result<DigestId> from_hex(std::string_view text) {
    return DigestId{SEALIFT_TRY(crypto::Digest::from_hex(text))};
  }
};

using RecordId = DigestId<struct RecordTag>;  // SHA-256 of the exact envelope bytes
using MoveId = DigestId<struct MoveTag>;      // the RecordId of the move's offer
using DomainId = DigestId<struct DomainTag>;  // SHA-256 of the exact genesis file

RecordId record_id(ByteView envelope);
inline MoveId move_id(const RecordId& offer) {
  return {offer.digest};
}

// Ownership counter of a VM. Owners' epochs only grow; an aborted move's epoch is never owned by anyone.
struct Epoch {
  std::uint64_t value = 0;
  auto operator<=>(const Epoch&) const = default;
};

}  // namespace sealift::ledger
