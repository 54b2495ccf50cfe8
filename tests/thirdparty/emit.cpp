// Writes what sealift signs for other people's tools to read, and reads what they signed.
//   thirdparty_emit write DIRECTORY    facts.json and the files that it names
//   thirdparty_emit check DIRECTORY    go.checkpoint with go.key, python.envelope with python.key
// facts.json: {"logs": [log…], "envelopes": [envelope…]}, bytes in base64
//   log       {"name", "note": file, "origin", "log_key", "witnesses": [key], "strangers": [key],
//              "times": {witness: seconds}, "size", "root", "records": [{"index", "data", "path": []}],
//              "histories": [{"size", "root", "path": []}],
//              "receipt": file or ""}
//   envelope  {"file", "type", "keys": [{"keyid", "public": hex}], "stranger": the same}

#include <cstdio>
#include <filesystem>

#include "emit.hpp"

namespace sealift::thirdparty {

namespace {

constexpr std::uint64_t kSeconds = 1'800'000'000;
constexpr std::string_view kPayloadType = "application/vnd.in-toto+json";

Json base64_list(const crypto::MerkleProof& proof) {
  Json out = Json::array();
  for (const crypto::Digest& digest : proof) out.push_back(base64(digest.view()));
  return out;
}

std::vector<crypto::Digest> leaf_hashes(const std::vector<Bytes>& records) {
  std::vector<crypto::Digest> out;
  out.reserve(records.size());
  for (const Bytes& record : records) out.push_back(crypto::merkle_leaf(record));
  return out;
}

// One log of a few sizes that are not powers of two, all proofs of all its records and of all its pasts.
Status write_plain_log(Emitter& out) {
  const crypto::Identity server = crypto::Identity::generate();
  const crypto::Identity witness = crypto::Identity::generate();
  for (const std::size_t size : {1U, 2U, 7U, 13U, 64U, 100U}) {
    std::vector<Bytes> records;
    records.reserve(size);
    for (std::size_t i = 0; i < size; ++i) records.push_back(to_bytes(fmt::format("record {}\n", i)));
    const crypto::Digest root = crypto::merkle_root(leaf_hashes(records));
    const crypto::Checkpoint checkpoint{"sealift.example/plain", size, root, {"term 1 zurich"}};
    const std::string text = crypto::checkpoint_text(checkpoint);
    const std::vector<crypto::NoteSignature> signatures = {
        crypto::sign_note("zurich", server, text),
        crypto::cosign_checkpoint("zurich", server, text, kSeconds),
        crypto::cosign_checkpoint("bern", witness, text, kSeconds + 1)};
    const Log log{
        fmt::format("plain-{}", size),
        SEALIFT_TRY(crypto::encode_note(text, signatures)),
        checkpoint.origin,
        {"zurich", server.public_key()},
        {{{"zurich", server.public_key()}, kSeconds}, {{"bern", witness.public_key()}, kSeconds + 1}},
        records};
    SEALIFT_TRY_STATUS(out.add(log));
  }
  return {};
}

Status write_plain_envelope(Emitter& out) {
  const crypto::Identity source = crypto::Identity::generate();
  const crypto::Identity destination = crypto::Identity::generate();
  const crypto::Identity* signers[] = {&source, &destination};
  const Json statement = {
      {"_type", "https://in-toto.io/Statement/v1"},
      {"subject", {{{"name", "vm:web-01"}, {"digest", {{"sha256", crypto::sha256({}).hex()}}}}}},
      {"predicateType", "https://sealift.dev/example/v1"},
      {"predicate", {{"epoch", 5}, {"text", "Zürich \"quoted\"\n"}}}};
  const crypto::Envelope envelope =
      crypto::sign_envelope(kPayloadType, as_bytes(json::dump(statement)), signers);
  return out.add("plain", crypto::encode(envelope), {source.public_key(), destination.public_key()});
}

Status write(const file::Path& directory) {
  Emitter out(directory);
  SEALIFT_TRY_STATUS(write_plain_log(out));
  SEALIFT_TRY_STATUS(write_plain_envelope(out));
  SEALIFT_TRY_STATUS(write_ledger(out));
  return out.finish();
}

// A checkpoint cosigned by the Go implementation.
Status check_go(const file::Path& directory) {
  const Bytes note_bytes = SEALIFT_TRY(file::read(directory / "go.checkpoint", crypto::kNoteBytesMax));
  const std::string key_text = SEALIFT_TRY(file::read_text(directory / "go.key", 1000));
  const crypto::NamedKey key = SEALIFT_TRY(crypto::PublicKey::parse_verifier_key(key_text));
  const crypto::UnverifiedNote note = SEALIFT_TRY(crypto::parse_note(note_bytes));
  SEALIFT_TRY_STATUS(crypto::parse_checkpoint(note.text));
  const std::vector<crypto::NamedKey> known = {key};
  SEALIFT_TRY_STATUS(crypto::verify_note(note, known));
  const auto cosignatures = SEALIFT_TRY(crypto::verify_cosignatures(note, known));
  if (cosignatures.size() != 1) return fail(Code::kCorrupt, "no cosignature by {}", key.name);
  std::printf("sealift reads Go's note signature and cosignature of %s\n", key.name.c_str());
  return {};
}

// An envelope signed by securesystemslib.
Status check_python(const file::Path& directory) {
  const Bytes bytes = SEALIFT_TRY(file::read(directory / "python.envelope", crypto::kEnvelopeBytesMax));
  const std::string key_text = SEALIFT_TRY(file::read_text(directory / "python.key", 1000));
  const crypto::UnverifiedEnvelope envelope = SEALIFT_TRY(crypto::parse_envelope(bytes));
  const std::vector<crypto::PublicKey> trusted = {SEALIFT_TRY(crypto::PublicKey::from_hex(key_text))};
  SEALIFT_TRY_STATUS(crypto::verify(envelope, kPayloadType, trusted));
  std::printf("sealift reads securesystemslib's envelope\n");
  return {};
}

Status check(const file::Path& directory) {
  const bool go = std::filesystem::exists(directory / "go.checkpoint");
  const bool python = std::filesystem::exists(directory / "python.envelope");
  if (!go && !python) return fail(Code::kNotFound, "{} holds nothing to check", directory.string());
  if (go) SEALIFT_TRY_STATUS(check_go(directory));
  if (python) SEALIFT_TRY_STATUS(check_python(directory));
  return {};
}

}  // namespace

Status Emitter::add(const Log& log) {
  const std::vector<crypto::Digest> leaves = leaf_hashes(log.records);
  Json entry = {{"name", log.name},
                {"note", log.name + ".checkpoint"},
                {"origin", log.origin},
                {"log_key", log.server.verifier_key()},
                {"witnesses", Json::array()},
                {"strangers", Json::array()},
                {"times", Json::object()},
                {"size", leaves.size()},
                {"root", base64(crypto::merkle_root(leaves).view())},
                {"records", Json::array()},
                {"histories", Json::array()},
                {"receipt", log.receipt_file}};
  for (const auto& [witness, seconds] : log.witnesses) {
    // As a plain Ed25519 key: every release of transparency-dev/formats takes that one and derives the
    // cosigner's id.
    entry["witnesses"].push_back(crypto::note_verifier_key(witness, crypto::NoteKeyType::kSignature));
    entry["times"][witness.name] = seconds;
  }
  const crypto::NamedKey stranger{log.server.name, crypto::Identity::generate().public_key()};
  entry["strangers"].push_back(crypto::note_verifier_key(stranger, crypto::NoteKeyType::kSignature));
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    entry["records"].push_back({{"index", i},
                                {"data", base64(log.records[i])},
                                {"path", base64_list(SEALIFT_TRY(crypto::inclusion_proof(leaves, i)))}});
    const std::size_t past = i + 1;
    entry["histories"].push_back(
        {{"size", past},
         {"root", base64(crypto::merkle_root(std::span(leaves).first(past)).view())},
         {"path", base64_list(SEALIFT_TRY(crypto::consistency_proof(leaves, past)))}});
  }
  facts_["logs"].push_back(std::move(entry));
  return write(log.name + ".checkpoint", as_bytes(log.note));
}

Status Emitter::add(const std::string& name, ByteView envelope, const std::vector<crypto::PublicKey>& keys) {
  const auto key_entry = [](const crypto::PublicKey& key) {
    return Json{{"keyid", key.id().hex()}, {"public", key.hex()}};
  };
  Json entry = {{"file", name + ".envelope"},
                {"type", kPayloadType},
                {"keys", Json::array()},
                {"stranger", key_entry(crypto::Identity::generate().public_key())}};
  for (const crypto::PublicKey& key : keys) entry["keys"].push_back(key_entry(key));
  facts_["envelopes"].push_back(std::move(entry));
  return write(name + ".envelope", envelope);
}

Status Emitter::write(const std::string& file_name, ByteView content) {
  return file::write_atomic(directory_ / file_name, content, 0644);
}

Status Emitter::finish() {
  return write("facts.json", as_bytes(json::dump_pretty(facts_)));
}

}  // namespace sealift::thirdparty

int main(int argc, char** argv) {
  const std::string_view verb = argc == 3 ? argv[1] : "";
  if (verb != "write" && verb != "check") {
    std::fprintf(stderr, "usage: %s write|check DIRECTORY\n", argv[0]);
    return 2;
  }
  const sealift::file::Path directory = argv[2];
  const sealift::Status done =
      verb == "write" ? sealift::thirdparty::write(directory) : sealift::thirdparty::check(directory);
  if (!done) std::fprintf(stderr, "thirdparty_emit: %s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
