#pragma once

// C2SP signed-note v1.0.0, tlog-checkpoint v1.0.0 and tlog-cosignature v1.0.1 (Ed25519).
//
//   note        text ending in "\n", an empty line, then signature lines "— <name> base64(key id ||
//   signature)\n" key id      SHA-256(name || 0x0A || type || public key)[:4], type 0x01 note signature, 0x04
//   cosignature checkpoint  "<origin>\n<size, decimal>\n<base64 root>\n", then extension lines cosignature
//   u64 big-endian POSIX seconds || Ed25519("cosignature/v1\ntime <seconds>\n" || checkpoint text)
//
// Stricter than the specification: text and names are printable ASCII (tab allowed in text), a note is at
// most kNoteBytesMax with 1 to kNoteSignaturesMax signatures. Signatures of unknown keys are ignored; a bad
// one of a known key refuses the whole note, wherever it stands; two good ones of one key count once.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"
#include "crypto/identity.hpp"

namespace sealift::crypto {

constexpr std::size_t kNoteBytesMax = std::size_t{64} * 1024;
constexpr std::size_t kNoteSignaturesMax = 100;

enum class NoteKeyType : std::uint8_t { kSignature = 0x01, kCosignature = 0x04 };
using NoteKeyId = std::array<std::uint8_t, 4>;

bool valid_key_name(std::string_view name);  // printable ASCII without space and "+", 1 to 255 characters
NoteKeyId note_key_id(const NamedKey& key, NoteKeyType type);
std::string note_verifier_key(const NamedKey& key, NoteKeyType type);  // a vkey of either type

struct NoteSignature {
  std::string name;
  NoteKeyId key_id{};
  Bytes signature;  // after the key id
  bool operator==(const NoteSignature&) const = default;
};

struct UnverifiedNote {
  std::string text;  // with its last newline
  std::vector<NoteSignature> signatures;
};

Result<UnverifiedNote> parse_note(ByteView bytes);  // kInvalid
// The note's bytes. kInvalid when text or a name breaks the rules above.
Result<std::string> encode_note(std::string_view text, std::span<const NoteSignature> signatures);

NoteSignature sign_note(std::string_view name, const Identity& identity, std::string_view text);
NoteSignature cosign_checkpoint(std::string_view name, const Identity& identity,
                                std::string_view checkpoint_text, std::uint64_t posix_seconds);

struct VerifiedNote {
  std::string text;
  std::vector<NamedKey> signers;  // each once, at least one
};
// kCorrupt: a known key's signature is bad. kUnauthorized: no known key signed.
Result<VerifiedNote> verify_note(const UnverifiedNote& note, std::span<const NamedKey> known);

struct Cosignature {
  NamedKey signer;
  std::uint64_t posix_seconds = 0;  // of the first one of that key, if it gave several
};
// Those of known keys, each key once; none is an empty list. kCorrupt as above.
Result<std::vector<Cosignature>> verify_cosignatures(const UnverifiedNote& note,
                                                     std::span<const NamedKey> known);

struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Digest root;
  std::vector<std::string> extensions;  // lines without their newline, none empty
  bool operator==(const Checkpoint&) const = default;
};
std::string checkpoint_text(const Checkpoint& checkpoint);
Result<Checkpoint> parse_checkpoint(
    std::string_view text);  // kInvalid; inverse of checkpoint_text, byte for byte

}  // namespace sealift::crypto
