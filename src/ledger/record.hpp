#pragma once

// Records: what hosts say, signed, and what the ledger orders.
//
// A record is a DSSE envelope (payload type application/vnd.in-toto+json) around an in-toto Statement v1:
//   {"_type": "https://in-toto.io/Statement/v1", "subject": [{"name", "digest": {"sha256"}}],
//    "predicateType": "https://sealift.dev/<kind>/v1", "predicate": {"domain": <hex>, …}}
// The exact bytes are signed, stored and hashed; nothing is re-serialised. The subject is derived from the
// predicate (record_json.cpp lists it per kind) and must equal it: "vm:<uuid>" for a VM's records with the
// digest that the record is about, "host:<name>" with the SHA-256 of the key for membership, "domain" with
// its id. Parsing is bounded and strict: an unknown field, a missing one or another form of the same value is
// refused.
//
// Numbers. A VM's record carries a number above its signer's last one for that VM. A record of the domain
// (membership, rules) carries exactly State::changes() + 1, so that approvals never outlive what they
// approved. One envelope may carry several signatures (approve() adds one): those records need k members. All
// others carry exactly one. The JSON around the payload must be crypto::encode()'s, so that a forwarder can't
// make a second id.

#include "ledger/body.hpp"

namespace sealift::ledger {

constexpr std::size_t kRecordBytesMax = 256 * 1024;

// Parsed and well formed; whose word it is, nobody has checked yet.
struct Record {
  RecordId id;
  DomainId domain;
  Body body;
  crypto::UnverifiedEnvelope envelope;
  ByteView bytes() const { return envelope.bytes(); }
};
Bytes make_record(const DomainId& domain, const Body& body, const crypto::Identity& signer);
Result<Record> parse_record(ByteView envelope);
// The same record with one more signature (a second one of the same key changes nothing).
Result<Bytes> approve(ByteView envelope, const crypto::Identity& signer);
std::string describe(const Body& body);  // one line in words, for logs and `ledger log`

}  // namespace sealift::ledger
