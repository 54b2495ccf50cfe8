#include <gtest/gtest.h>

#include <functional>

#include "ledger/chain_fixture.hpp"

namespace sealift::ledger {
namespace {

using namespace testing;

// A domain of three with a committed move; its receipt.
struct Moved {
  Net net;
  MoveId move;
  Bytes receipt;

  Moved() {
    net.three();
    move = net.moved();
    net.settle();
    auto made = net.server().receipt(move);
    EXPECT_TRUE(made) << made.error().message;
    if (made) receipt = std::move(*made);
  }
  Json json() const { return *json::parse(as_text(receipt), kReceiptBytesMax); }
  Result<ReceiptFacts> verify(const Json& changed) const {
    return verify_receipt(net.world.genesis, to_bytes(json::dump(changed)));
  }
};

TEST(Receipt, ProvesTheMoveFromTheGenesisAlone) {
  const Moved m;
  const auto facts = verify_receipt(m.net.world.genesis, m.receipt);
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(facts->vm, vm_id());
  EXPECT_EQ(facts->from, host("zurich"));
  EXPECT_EQ(facts->to, host("bern"));
  EXPECT_EQ(facts->epoch, Epoch{1});
  EXPECT_EQ(facts->seal.root(), parts_root(parts_of()));
  EXPECT_EQ(facts->cosigned_by.size(), 3U);
  for (const char* word : {"zurich", "bern", "epoch 1", "disk/vda", "no content digest"})
    EXPECT_NE(facts->text.find(word), std::string::npos) << word << "\n" << facts->text;
}

TEST(Receipt, IsTheSameFromAFollower) {
  Moved m;
  const auto followers = m.net.at("bern").receipt(m.move);
  ASSERT_TRUE(followers) << followers.error().message;
  EXPECT_TRUE(verify_receipt(m.net.world.genesis, *followers));
}

TEST(Receipt, StaysGoodWhenItsHostsHaveLeft) {
  Moved m;
  m.net.say(MoveStarted{m.net.world.stamp(), "running"}, {"bern"});
  m.net.settle();
  m.net.say(HostExpel{m.net.world.change(), host("genf"), "r"}, {"zurich", "bern"});
  m.net.settle();
  EXPECT_TRUE(verify_receipt(m.net.world.genesis, *m.net.server().receipt(m.move)));
}

TEST(Receipt, NeedsACommittedFinalMove) {
  Net net;
  net.three();
  net.register_vm();
  const RecordId offer = net.say(net.world.offer(), {"zurich"});
  net.settle();
  EXPECT_EQ(net.server().receipt(move_id(offer)).error().code, Code::kNotFound);
  EXPECT_EQ(net.server().receipt({digest_of("x")}).error().code, Code::kNotFound);
}

TEST(Receipt, IsNothingUnderAnotherGenesis) {
  const Moved m;
  Genesis other = m.net.world.genesis;
  other.bytes.push_back('\n');
  const auto facts = verify_receipt(*parse_genesis(other.bytes), m.receipt);
  ASSERT_FALSE(facts);
  EXPECT_NE(facts.error().message.find("genesis"), std::string::npos);
}

// The signature lines of a note, each with its name.
std::string without_signatures(const std::string& note, const std::vector<std::string>& names,
                               bool cosignatures) {
  const auto parsed = crypto::parse_note(as_bytes(note));
  std::vector<crypto::NoteSignature> kept;
  for (const auto& one : parsed->signatures) {
    const bool named = std::ranges::find(names, one.name) != names.end();
    if (!(named && (one.signature.size() == 72) == cosignatures)) kept.push_back(one);
  }
  return *crypto::encode_note(parsed->text, kept);
}

TEST(Receipt, NamesEveryDefect) {
  Moved m;
  struct Case {
    const char* name;
    std::function<void(Json&)> change;
    const char* word;
  };
  const auto sub_checkpoint = [](Json& r, const std::string& note) {
    const std::string old = r["checkpoint"];
    std::string proof = r["tlog_proof"];
    proof.replace(proof.find(old), old.size(), note);
    r["checkpoint"] = note;
    r["tlog_proof"] = proof;
  };
  const std::vector<Case> cases = {
      {"wrong index", [](Json& r) { r["records"]["commit"]["count"] = 2; }, "the commit"},
      {"index out of range", [](Json& r) { r["records"]["commit"]["index"] = 1; }, "the commit"},
      {"another block", [](Json& r) { r["records"]["commit"]["block"] = r["records"]["offer"]["block"]; },
       "the commit"},
      {"another block with its proof",
       [](Json& r) {
         r["records"]["commit"]["block"] = r["records"]["offer"]["block"];
         r["records"]["commit"]["log"] = r["records"]["offer"]["log"];
       },
       "not record 0"},
      {"the offer as commit", [](Json& r) { r["records"]["commit"] = r["records"]["offer"]; },
       "not the commit"},
      {"the commit as offer", [](Json& r) { r["records"]["offer"] = r["records"]["commit"]; },
       "not the offer"},
      {"another move", [](Json& r) { r["move"] = digest_of("x").hex(); }, "not the offer of move"},
      {"a log proof cut", [](Json& r) { r["records"]["commit"]["log"].erase(0); }, "not in the log"},
      {"a log proof longer", [](Json& r) { r["records"]["commit"]["log"].push_back(digest_of("x").hex()); },
       "not in the log"},
      {"too few cosigners",
       [&](Json& r) { sub_checkpoint(r, without_signatures(r["checkpoint"], {"bern", "genf"}, true)); },
       "cosigned by 1 of 3"},
      {"the server's signature gone",
       [&](Json& r) { sub_checkpoint(r, without_signatures(r["checkpoint"], {"zurich"}, false)); }, "server"},
      {"a change left out at the end", [](Json& r) { r["changes"].erase(1); },
       "cosigned by|counts other members"},
      {"a change left out in front", [](Json& r) { r["changes"].erase(0); }, "membership change 1"},
      {"all changes left out", [](Json& r) { r["changes"] = Json::array(); }, "counts other members"},
      {"changes swapped", [](Json& r) { std::swap(r["changes"][0], r["changes"][1]); },
       "membership change 1"},
      {"a change twice", [](Json& r) { r["changes"].push_back(r["changes"][1]); }, "membership change 3"},
      {"a change that is none",
       [](Json& r) {
         Json more = r["records"]["offer"];
         more["checkpoint"] = r["checkpoint"];
         r["changes"].push_back(more);
       },
       "membership change 3"},
      {"a change without its quorum",
       [](Json& r) {
         r["changes"][1]["checkpoint"] = without_signatures(r["changes"][1]["checkpoint"], {"bern"}, true);
       },
       "membership change 2"},
      {"another tlog-proof", [](Json& r) { r["tlog_proof"] = "c2sp.org/tlog-proof@v1\n"; }, "tlog-proof"},
      {"a newer version", [](Json& r) { r["sealift_receipt"] = 2; }, "version 2"},
      {"an unknown field", [](Json& r) { r["more"] = 1; }, "unknown field"},
      {"a missing field", [](Json& r) { r.erase("checkpoint"); }, "'checkpoint' is missing"},
  };
  for (const Case& one : cases) {
    Json changed = m.json();
    one.change(changed);
    const auto facts = m.verify(changed);
    ASSERT_FALSE(facts) << one.name;
    const std::string words = one.word;
    const std::size_t bar = words.find('|');
    const bool named =
        facts.error().message.find(words.substr(0, bar)) != std::string::npos ||
        (bar != std::string::npos && facts.error().message.find(words.substr(bar + 1)) != std::string::npos);
    EXPECT_TRUE(named) << one.name << ": " << facts.error().message;
  }
}

TEST(Receipt, AForeignMembersCosignatureDoesNotCount) {
  Moved m;
  Json changed = m.json();
  std::string note = without_signatures(changed["checkpoint"], {"bern", "genf"}, true);
  const auto parsed = parse_signed_head(as_bytes(note));
  auto signatures = parsed->note.signatures;
  for (const char* name : {"x", "y", "bern"})  // strangers, and one under a member's name
    signatures.push_back(cosign_head(parsed->head, host(name), identity_of(std::string(name) + "!"), 1));
  note = *encode_signed_head(parsed->head, signatures);
  const std::string old = changed["checkpoint"];
  std::string proof = changed["tlog_proof"];
  changed["tlog_proof"] = proof.replace(proof.find(old), old.size(), note);
  changed["checkpoint"] = note;
  const auto facts = m.verify(changed);
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().code, Code::kUnauthorized) << facts.error().message;
}

TEST(Receipt, NoFlippedBitProvesAnythingElse) {
  const Moved m;
  const std::string good = verify_receipt(m.net.world.genesis, m.receipt)->text;
  int same = 0;
  SeededRandom random(11);
  // Every fifth byte or so: all of them take 15 s, and were tried.
  for (std::size_t i = random.below(5); i < m.receipt.size(); i += 1 + random.below(9)) {
    Bytes flipped = m.receipt;
    flipped[i] ^= static_cast<std::uint8_t>(1U << random.below(8));
    const auto facts = verify_receipt(m.net.world.genesis, flipped);
    if (!facts) continue;
    ++same;
    EXPECT_EQ(facts->text, good) << "byte " << i;
  }
  // What may change unnoticed is a surplus signature of an old checkpoint: turned into a stranger's, it is
  // ignored.
  EXPECT_LT(same, 100);
}

TEST(Receipt, CarriesAStandardTlogProof) {
  const Moved m;
  const std::string proof = m.json()["tlog_proof"];
  EXPECT_TRUE(proof.starts_with("c2sp.org/tlog-proof@v1\nindex 5\n"));
  EXPECT_TRUE(proof.ends_with(m.json()["checkpoint"].get<std::string>()));
}

}  // namespace
}  // namespace sealift::ledger
