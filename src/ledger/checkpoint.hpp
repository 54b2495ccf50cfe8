#pragma once

// Checkpoints of the log: C2SP tlog-checkpoint in a signed note, cosigned by the members as witnesses.
//   sealift.dev/<domain id, hex>
//   <size = height of the last block covered>
//   <base64 root>
//   term <decimal> <server's name>
//
//   — <server> …       note signature, type 0x01
//   — <member> …       cosignature/v1, type 0x04, one line per member (the server's own too)
// Two checkpoints of one term that contradict each other are a fork; whoever holds both can prove it.

#include <vector>

#include "crypto/note.hpp"
#include "ledger/state.hpp"

namespace sealift::ledger {

std::string log_origin(const DomainId& domain);

struct LogHead {
  DomainId domain;
  std::uint64_t size = 0;
  crypto::Digest root;
  std::uint64_t term = 1;
  HostName server;
  bool operator==(const LogHead&) const = default;
  std::string text() const;  // what is signed
};
Result<LogHead> parse_log_head(std::string_view text);

// A checkpoint with whatever signatures it carries.
struct SignedHead {
  LogHead head;
  crypto::UnverifiedNote note;
};
Result<SignedHead> parse_signed_head(ByteView note);
crypto::NoteSignature sign_head(const LogHead& head, const crypto::Identity& server);
crypto::NoteSignature cosign_head(const LogHead& head, const HostName& name, const crypto::Identity& member,
                                  std::uint64_t posix_seconds);
Result<std::string> encode_signed_head(const LogHead& head,
                                       std::span<const crypto::NoteSignature> signatures);

// The members of `set` that cosigned it, each once. kCorrupt: a bad signature of one of them.
Result<std::vector<HostName>> cosigners(const SignedHead& signed_head, const MemberSet& set);
// kUnauthorized unless the server named in it, a member of `set`, signed it.
Status verify_server(const SignedHead& signed_head, const MemberSet& set);

}  // namespace sealift::ledger
