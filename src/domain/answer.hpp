#pragma once

// A member's signed answer to a nonce: "this is how far I have cosigned". From the answers of a quorum
// follows a fresh read: whatever was final when the nonce was drawn had been cosigned by a majority, so at
// least one of any quorum has cosigned it. The asker takes the highest cosigned height, waits until its own
// chain is final up to there, and reads its own state. (The final height alone would not do: a follower may
// have cosigned a block and not yet have heard that it is final.)
//
//   offset  bytes  what (integers big-endian)
//        0      1  version 1
//        1      8  term
//        9      8  height up to which it has cosigned
//       17      8  its final height
//       25      4  length of its name, then the name
//        …     64  Ed25519, context "sealift-answer", over: domain id ‖ blob nonce ‖ all bytes before

#include <map>
#include <span>
#include <vector>

#include "ledger/ledger.hpp"

namespace sealift::domain {

struct Answer {
  ledger::HostName member;
  std::uint64_t term = 0;
  std::uint64_t height = 0;
  std::uint64_t final_height = 0;
};

Bytes sign_answer(const Answer& answer, const ledger::DomainId& domain, ByteView nonce,
                  const crypto::Identity& identity);

// Not yet known to be that member's.
struct UnverifiedAnswer {
  Answer answer;
  Bytes signed_part;
  Bytes signature;
  // kCorrupt: not of that key for this domain and nonce.
  Result<Answer> verify(const ledger::DomainId& domain, ByteView nonce, const crypto::PublicKey& key) const;
};
Result<UnverifiedAnswer> parse_answer(ByteView bytes);  // kInvalid, kUnsupported

// The answers of members of `set`, each once; others are left out.
std::vector<Answer> verified_answers(std::span<const Bytes> answers, const ledger::MemberSet& set,
                                     const ledger::DomainId& domain, ByteView nonce);

// kUnavailable, naming who is silent, unless a majority of the set has answered.
Status check_quorum(std::span<const Answer> answers, const ledger::MemberSet& set);

}  // namespace sealift::domain
