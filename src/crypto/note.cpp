#include "crypto/note.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace sealift::crypto {

namespace {

constexpr std::string_view kSignaturePrefix = "\xE2\x80\x94 ";  // U+2014 and a space
constexpr std::string_view kCosignatureHeader = "cosignature/v1\n";
constexpr std::size_t kTimeBytes = 8;

bool printable(char c) {
  return c >= 0x20 && c <= 0x7e;
}

// A note that reads as the message of a cosignature would let one kind of signature pass for the other.
bool valid_text(std::string_view text) {
  return !text.empty() && text.size() <= kNoteBytesMax && text.back() == '\n' &&
         !text.starts_with(kCosignatureHeader) &&
         std::ranges::all_of(text, [](char c) { return printable(c) || c == '\n' || c == '\t'; });
}

Result<NoteSignature> parse_signature(std::string_view line) {
  if (!line.starts_with(kSignaturePrefix)) return fail(Code::kInvalid, "note: not a signature line");
  line.remove_prefix(kSignaturePrefix.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos)
    return fail(Code::kInvalid, "note: a signature line without a signature");
  NoteSignature out;
  out.name = line.substr(0, space);
  if (!valid_key_name(out.name)) return fail(Code::kInvalid, "note: a signature under an invalid name");
  const Result<Bytes> blob = unbase64(line.substr(space + 1));
  if (!blob) return because(blob.error(), "note: signature of " + out.name);
  if (blob->size() <= out.key_id.size())
    return fail(Code::kInvalid, "note: the signature of {} is too short", out.name);
  std::copy_n(blob->begin(), out.key_id.size(), out.key_id.begin());
  out.signature.assign(blob->begin() + static_cast<std::ptrdiff_t>(out.key_id.size()), blob->end());
  return out;
}

Bytes cosignature_message(std::string_view text, std::uint64_t posix_seconds) {
  return to_bytes(fmt::format("{}time {}\n{}", kCosignatureHeader, posix_seconds, text));
}

// The signatures of the note that carry this key's name and id of this type.
std::vector<const NoteSignature*> claimed(const UnverifiedNote& note, const NamedKey& key, NoteKeyType type) {
  std::vector<const NoteSignature*> out;
  const NoteKeyId id = note_key_id(key, type);
  for (const NoteSignature& signature : note.signatures) {
    if (signature.name == key.name && signature.key_id == id) out.push_back(&signature);
  }
  return out;
}

std::unexpected<Error> bad_signature(const NamedKey& key, std::string_view what) {
  return fail(Code::kCorrupt, "the {} of {} does not match the text: it was altered, or never signed", what,
              key.name);
}

}  // namespace

bool valid_key_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 &&
         std::ranges::all_of(name, [](char c) { return printable(c) && c != ' ' && c != '+'; });
}

NoteKeyId note_key_id(const NamedKey& key, NoteKeyType type) {
  Encoder input;
  input.raw(as_bytes(key.name)).u8('\n').u8(static_cast<std::uint8_t>(type)).raw(key.key.view());
  const Digest digest = sha256(input.bytes());
  NoteKeyId id;
  std::copy_n(digest.bytes.begin(), id.size(), id.begin());
  return id;
}

std::string note_verifier_key(const NamedKey& key, NoteKeyType type) {
  Encoder blob;
  blob.u8(static_cast<std::uint8_t>(type)).raw(key.key.view());
  return fmt::format("{}+{}+{}", key.name, hex(note_key_id(key, type)), base64(blob.bytes()));
}

Result<UnverifiedNote> parse_note(ByteView bytes) {
  if (bytes.size() > kNoteBytesMax)
    return fail(Code::kInvalid, "note of {} bytes is over the limit of {}", bytes.size(), kNoteBytesMax);
  const std::string_view whole = as_text(bytes);
  const std::size_t split = whole.rfind("\n\n");
  if (split == std::string_view::npos)
    return fail(Code::kInvalid, "note: no empty line before the signatures");
  UnverifiedNote out;
  out.text = whole.substr(0, split + 1);
  if (!valid_text(out.text)) return fail(Code::kInvalid, "note: the text is not printable ASCII lines");
  std::string_view rest = whole.substr(split + 2);
  if (rest.empty()) return fail(Code::kInvalid, "note: not signed");
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return fail(Code::kInvalid, "note: the last line is cut short");
    if (out.signatures.size() == kNoteSignaturesMax)
      return fail(Code::kInvalid, "note: more than {} signatures", kNoteSignaturesMax);
    out.signatures.push_back(SEALIFT_TRY(parse_signature(rest.substr(0, end))));
    rest.remove_prefix(end + 1);
  }
  return out;
}

Result<std::string> encode_note(std::string_view text, std::span<const NoteSignature> signatures) {
  if (!valid_text(text)) return fail(Code::kInvalid, "note: the text is not printable ASCII lines");
  if (signatures.empty() || signatures.size() > kNoteSignaturesMax)
    return fail(Code::kInvalid, "note: {} signatures, not 1 to {}", signatures.size(), kNoteSignaturesMax);
  std::string out = fmt::format("{}\n", text);
  for (const NoteSignature& signature : signatures) {
    if (!valid_key_name(signature.name) || signature.signature.empty())
      return fail(Code::kInvalid, "note: a signature without a valid name or without bytes");
    Encoder blob;
    blob.raw(signature.key_id).raw(signature.signature);
    out += fmt::format("{}{} {}\n", kSignaturePrefix, signature.name, base64(blob.bytes()));
  }
  if (out.size() > kNoteBytesMax)
    return fail(Code::kInvalid, "note: over the limit of {} bytes", kNoteBytesMax);
  return out;
}

NoteSignature sign_note(std::string_view name, const Identity& identity, std::string_view text) {
  SEALIFT_CHECK(valid_key_name(name) && valid_text(text));
  const NamedKey key{std::string(name), identity.public_key()};
  return {key.name, note_key_id(key, NoteKeyType::kSignature), identity.sign("", as_bytes(text))};
}

NoteSignature cosign_checkpoint(std::string_view name, const Identity& identity,
                                std::string_view checkpoint_text, std::uint64_t posix_seconds) {
  SEALIFT_CHECK(valid_key_name(name) && parse_checkpoint(checkpoint_text));
  const NamedKey key{std::string(name), identity.public_key()};
  Encoder blob;
  blob.u64(posix_seconds).raw(identity.sign("", cosignature_message(checkpoint_text, posix_seconds)));
  return {key.name, note_key_id(key, NoteKeyType::kCosignature), blob.take()};
}

Result<VerifiedNote> verify_note(const UnverifiedNote& note, std::span<const NamedKey> known) {
  VerifiedNote out{note.text, {}};
  for (const NamedKey& key : known) {
    const auto signatures = claimed(note, key, NoteKeyType::kSignature);
    for (const NoteSignature* signature : signatures) {
      if (!key.key.verify("", as_bytes(note.text), signature->signature))
        return bad_signature(key, "signature");
    }
    if (!signatures.empty() && std::ranges::find(out.signers, key.key, &NamedKey::key) == out.signers.end())
      out.signers.push_back(key);
  }
  if (out.signers.empty())
    return fail(Code::kUnauthorized, "the note is signed by no key that is known here");
  return out;
}

Result<std::vector<Cosignature>> verify_cosignatures(const UnverifiedNote& note,
                                                     std::span<const NamedKey> known) {
  std::vector<Cosignature> out;
  for (const NamedKey& key : known) {
    bool counted = std::ranges::any_of(out, [&](const Cosignature& c) { return c.signer.key == key.key; });
    for (const NoteSignature* signature : claimed(note, key, NoteKeyType::kCosignature)) {
      const ByteView blob = signature->signature;
      if (blob.size() != kTimeBytes + kSignatureBytes) return bad_signature(key, "cosignature");
      const std::uint64_t posix_seconds = load_be64(blob.data());
      const Bytes message = cosignature_message(note.text, posix_seconds);
      if (!key.key.verify("", message, blob.subspan(kTimeBytes))) return bad_signature(key, "cosignature");
      if (!counted) out.push_back({key, posix_seconds});
      counted = true;
    }
  }
  return out;
}

}  // namespace sealift::crypto
