#include "crypto/note.hpp"

#include <gtest/gtest.h>

#include "crypto/merkle.hpp"

namespace sealift::crypto {
namespace {

struct Host {
  explicit Host(std::string host_name) : name(std::move(host_name)) {}
  std::string name;
  Identity identity = Identity::generate();
  NamedKey key() const { return {name, identity.public_key()}; }
};

Checkpoint sample_checkpoint() {
  return {"sealift/test", 1182, merkle_leaf(as_bytes("x")), {"term 1"}};
}

UnverifiedNote reparse(std::string_view text, const std::vector<NoteSignature>& signatures) {
  return parse_note(as_bytes(encode_note(text, signatures).value())).value();
}

// The example of golang.org/x/mod/sumdb/note.
constexpr const char* kNeumann =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

TEST(Note, TheGoExampleVerifies) {
  const Bytes blob = unbase64("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").value();
  const NamedKey neumann{"PeterNeumann", PublicKey::from_bytes(ByteView(blob).subspan(1)).value()};
  EXPECT_EQ(neumann.verifier_key(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  const UnverifiedNote note = parse_note(as_bytes(kNeumann)).value();
  const VerifiedNote verified = verify_note(note, std::vector{neumann}).value();
  EXPECT_EQ(verified.signers, std::vector{neumann});
  EXPECT_EQ(encode_note(note.text, note.signatures).value(), kNeumann);
}

TEST(Note, UnknownSignaturesAreIgnoredAndKnownOnesNeeded) {
  const Host zurich("zurich");
  const Host bern("bern");
  const std::string text = checkpoint_text(sample_checkpoint());
  const UnverifiedNote note =
      reparse(text, {sign_note("zurich", zurich.identity, text), sign_note("bern", bern.identity, text)});
  EXPECT_EQ(verify_note(note, std::vector{bern.key()}).value().signers, std::vector{bern.key()});
  EXPECT_EQ(verify_note(note, std::vector{bern.key(), zurich.key()}).value().signers.size(), 2U);
  EXPECT_EQ(verify_note(note, std::vector{Host("basel").key()}).error().code, Code::kUnauthorized);
  EXPECT_EQ(verify_note(note, {}).error().code, Code::kUnauthorized);
}

TEST(Note, ABadSignatureOfAKnownKeyRefusesTheNote) {
  const Host zurich("zurich");
  const Host bern("bern");
  const std::string text = checkpoint_text(sample_checkpoint());
  const NoteSignature good = sign_note("zurich", zurich.identity, text);
  const NoteSignature stale = sign_note("bern", bern.identity, "another text\n");
  EXPECT_EQ(verify_note(reparse(text, {good, stale}), std::vector{zurich.key(), bern.key()}).error().code,
            Code::kCorrupt);
  EXPECT_TRUE(verify_note(reparse(text, {good, stale}), std::vector{zurich.key()}));
  NoteSignature forged = sign_note("zurich", bern.identity, text);  // another key that claims zurich's id
  forged.key_id = good.key_id;
  EXPECT_EQ(verify_note(reparse(text, {forged}), std::vector{zurich.key()}).error().code, Code::kCorrupt);
  EXPECT_EQ(verify_note(reparse(text, {good, forged}), std::vector{zurich.key()}).error().code,
            Code::kCorrupt);
  NoteSignature renamed = good;
  renamed.name = "bern";
  EXPECT_EQ(verify_note(reparse(text, {renamed}), std::vector{bern.key()}).error().code, Code::kUnauthorized);
}

TEST(Note, SignaturesOfOneKeyCountOnce) {
  const Host zurich("zurich");
  const std::string text = checkpoint_text(sample_checkpoint());
  const NoteSignature signature = sign_note("zurich", zurich.identity, text);
  const NoteSignature alias = sign_note("zurich-2", zurich.identity, text);
  const UnverifiedNote note = reparse(text, {signature, signature, alias});
  const NamedKey alias_key{"zurich-2", zurich.identity.public_key()};
  EXPECT_EQ(verify_note(note, std::vector{zurich.key(), zurich.key(), alias_key}).value().signers.size(), 1U);
  const NoteSignature early = cosign_checkpoint("zurich", zurich.identity, text, 100);
  const NoteSignature late = cosign_checkpoint("zurich", zurich.identity, text, 200);
  const auto cosigned =
      verify_cosignatures(reparse(text, {early, late, early}), std::vector{zurich.key()}).value();
  ASSERT_EQ(cosigned.size(), 1U);
  EXPECT_EQ(cosigned[0].posix_seconds, 100U);
}

TEST(Note, MalformedNotesAreRefused) {
  const Host zurich("zurich");
  const std::string text = "a\n";
  const std::string good = encode_note(text, std::vector{sign_note("zurich", zurich.identity, text)}).value();
  ASSERT_TRUE(parse_note(as_bytes(good)));
  for (std::size_t length = 0; length < good.size(); ++length)
    EXPECT_FALSE(parse_note(as_bytes(good.substr(0, length)))) << length;
  const std::string line = good.substr(3);
  for (const std::string& bad :
       {"\n" + line, "a\n" + line, "a\r\n\n" + line, std::string("a\0\n\n", 4) + line, "\xc3\xa4\n\n" + line,
        "a\n\n" + line + "\n", "a\n\n" + line + "x\n", std::string("a\n\n— zurich\n"),
        std::string("a\n\n— zurich AAAA\n"), std::string("a\n\n- zurich AAAAAAAA\n"),
        std::string("a\n\n— zur+ich AAAAAAAA\n"), std::string("a\n\n—  AAAAAAAA\n")})
    EXPECT_EQ(parse_note(as_bytes(bad)).error().code, Code::kInvalid) << bad;
  std::string crowded = "a\n\n";
  for (std::size_t i = 0; i <= kNoteSignaturesMax; ++i) crowded += line;
  EXPECT_FALSE(parse_note(as_bytes(crowded)));
  EXPECT_FALSE(parse_note(Bytes(kNoteBytesMax + 1, 'a')));
}

TEST(Note, TextMayHoldEmptyLines) {
  const Host zurich("zurich");
  const std::string text = "a\n\nb\n";
  const UnverifiedNote note = reparse(text, {sign_note("zurich", zurich.identity, text)});
  EXPECT_EQ(note.text, text);
  EXPECT_TRUE(verify_note(note, std::vector{zurich.key()}));
}

TEST(Note, ANoteCannotPassForACosignature) {
  const std::string message = "cosignature/v1\ntime 5\nsealift/test\n1\nAAAA\n";
  EXPECT_FALSE(encode_note(message, std::vector{NoteSignature{"a", {}, Bytes(64)}}));
  EXPECT_FALSE(parse_note(as_bytes(message + "\n— a AAAAAAAA\n")));
}

TEST(Cosignature, HoldsForItsCheckpointTimeAndKey) {
  const Host bern("bern");
  const std::string text = checkpoint_text(sample_checkpoint());
  const NoteSignature cosignature = cosign_checkpoint("bern", bern.identity, text, 1'800'000'000);
  const auto verified = verify_cosignatures(reparse(text, {cosignature}), std::vector{bern.key()}).value();
  ASSERT_EQ(verified.size(), 1U);
  EXPECT_EQ(verified[0].signer, bern.key());
  EXPECT_EQ(verified[0].posix_seconds, 1'800'000'000U);

  NoteSignature later = cosignature;
  later.signature[7] ^= 1U;
  EXPECT_EQ(verify_cosignatures(reparse(text, {later}), std::vector{bern.key()}).error().code,
            Code::kCorrupt);
  NoteSignature cut = cosignature;
  cut.signature.pop_back();
  EXPECT_EQ(verify_cosignatures(reparse(text, {cut}), std::vector{bern.key()}).error().code, Code::kCorrupt);
  Checkpoint larger = sample_checkpoint();
  larger.size += 1;
  EXPECT_FALSE(verify_cosignatures(reparse(checkpoint_text(larger), {cosignature}), std::vector{bern.key()}));
  EXPECT_TRUE(
      verify_cosignatures(reparse(text, {cosignature}), std::vector{Host("bern").key()}).value().empty());
  // A cosignature is no signature of the note, and the other way round.
  EXPECT_EQ(verify_note(reparse(text, {cosignature}), std::vector{bern.key()}).error().code,
            Code::kUnauthorized);
  const UnverifiedNote signed_only = reparse(text, {sign_note("bern", bern.identity, text)});
  EXPECT_TRUE(verify_cosignatures(signed_only, std::vector{bern.key()}).value().empty());
}

TEST(Checkpoint, TextFormRoundTrips) {
  const Checkpoint checkpoint = sample_checkpoint();
  const std::string text = checkpoint_text(checkpoint);
  EXPECT_EQ(text, "sealift/test\n1182\n" + base64(checkpoint.root.view()) + "\nterm 1\n");
  EXPECT_EQ(parse_checkpoint(text).value(), checkpoint);
}

TEST(Checkpoint, MalformedOnesAreRefused) {
  const std::string root = base64(Digest{}.view());
  ASSERT_TRUE(parse_checkpoint("o\n0\n" + root + "\n"));
  ASSERT_TRUE(parse_checkpoint("o\n9223372036854775807\n" + root + "\n"));
  for (const std::string& bad :
       {std::string(), std::string("o\n1\n"), "o\n1\n" + root, "\n1\n" + root + "\n", "o\n01\n" + root + "\n",
        "o\n+1\n" + root + "\n", "o\n-1\n" + root + "\n", "o\n\n" + root + "\n", "o\n1 \n" + root + "\n",
        "o\n9223372036854775808\n" + root + "\n", "o\n99999999999999999999\n" + root + "\n",
        std::string("o\n1\nAAAA\n"), "o\n1\n" + root + "\n\n", "o\n1\n" + root + "\n\nx\n",
        "cosignature/v1\n1\n" + root + "\n", "o\n1\n" + root + "\nx\r\n"})
    EXPECT_EQ(parse_checkpoint(bad).error().code, Code::kInvalid) << bad;
}

}  // namespace
}  // namespace sealift::crypto
