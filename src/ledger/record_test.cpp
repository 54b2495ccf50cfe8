#include <gtest/gtest.h>

#include <functional>

#include "ledger/ledger_fixture.hpp"

namespace sealift::ledger {
namespace {

using namespace testing;

const DomainId kDomain{digest_of("domain")};

std::vector<Body> one_of_each() {
  const VmId vm = vm_id();
  const MoveStamp stamp{vm, {1}, 9, {digest_of("move")}};
  const Seal seal{kDomain, stamp.move, vm, host("zurich"), host("bern"), {1}, parts_of()};
  const Bytes sealed = make_seal(seal, identity_of("zurich"));
  return {HostJoin{1, info_of("bern", true), "old log"},
          HostLeave{2, host("bern")},
          HostExpel{3, host("bern"), "gone"},
          HostUpdate{4, host("bern"), {"a:1"}, {}},
          HostUpdate{4, host("bern"), {}, identity_of("next").public_key()},
          RulesActivate{5, 2, 900},
          DomainServe{2, host("bern")},
          VmRegister{vm, {0}, 1, host("zurich"), digest_of("d")},
          VmRetire{vm, {3}, 2, "old"},
          VmRest{vm, {3}, 3, digest_of("r"), ""},
          VmStart{vm, {3}, 4, digest_of("r"), ""},
          VmStart{vm, {3}, 5, {}, "ledger out of reach"},
          VmRecover{6, vm, {4}, host("zurich"), host("bern"), "powered off", digest_of("r")},
          MoveOffer{vm, {1}, 7, host("zurich"), host("bern"), MoveMode::kCold, {{"vda", "raw", 1}}, 8},
          MoveAccept{stamp},
          MoveCommit{stamp, sealed},
          MoveAbort{stamp, "no \"space\"\n"},
          MoveStarted{stamp, "running"},
          MoveReturn{stamp, "QEMU died"},
          MoveClosed{stamp, "erased"}};
}

TEST(Record, EveryKindSurvivesSigningAndParsing) {
  for (const Body& body : one_of_each()) {
    const Bytes bytes = make_record(kDomain, body, identity_of("zurich"));
    const auto record = parse_record(bytes);
    ASSERT_TRUE(record) << kind_name(body) << ": " << record.error().message;
    EXPECT_EQ(record->body.index(), body.index());
    EXPECT_EQ(record->id, record_id(bytes));
    EXPECT_EQ(record->domain, kDomain);
    EXPECT_EQ(make_record(kDomain, record->body, identity_of("zurich")), bytes) << kind_name(body);
    EXPECT_FALSE(describe(body).empty());
  }
}

TEST(Record, IsAnInTotoStatementOfItsKind) {
  const Bytes bytes =
      make_record(kDomain, VmRest{vm_id(), {3}, 3, digest_of("r"), ""}, identity_of("zurich"));
  const auto envelope = json::parse(as_text(bytes), kRecordBytesMax);
  EXPECT_EQ(*json::text(*envelope, "payloadType"), "application/vnd.in-toto+json");
  const auto payload = unbase64(*json::text(*envelope, "payload"));
  const auto statement = json::parse(as_text(*payload), kRecordBytesMax);
  EXPECT_EQ((*statement)["_type"], "https://in-toto.io/Statement/v1");
  EXPECT_EQ((*statement)["predicateType"], "https://sealift.dev/vm.rest/v1");
  EXPECT_EQ((*statement)["subject"][0]["name"], "vm:" + vm_id().text());
  EXPECT_EQ((*statement)["subject"][0]["digest"]["sha256"], digest_of("r").hex());
}

// A statement made by hand around a good predicate, changed in one place and signed again.
Result<Record> parse_changed(const Body& body, const std::function<void(Json&)>& change) {
  const Bytes bytes = make_record(kDomain, body, identity_of("zurich"));
  const auto envelope = crypto::parse_envelope(bytes);
  Json statement = *json::parse(as_text(envelope->unverified_payload()), kRecordBytesMax);
  change(statement);
  const crypto::Identity signer = identity_of("zurich");
  const crypto::Identity* signers[] = {&signer};
  return parse_record(crypto::encode(
      crypto::sign_envelope("application/vnd.in-toto+json", as_bytes(json::dump(statement)), signers)));
}

TEST(Record, RefusesWhatIsNotExactlyItsForm) {
  const VmRest rest{vm_id(), {3}, 3, digest_of("r"), "why"};
  struct Case {
    const char* name;
    std::function<void(Json&)> change;
  };
  const std::vector<Case> cases = {
      {"unknown field", [](Json& s) { s["predicate"]["more"] = 1; }},
      {"unknown field of the statement", [](Json& s) { s["more"] = 1; }},
      {"missing field", [](Json& s) { s["predicate"].erase("reason"); }},
      {"missing domain", [](Json& s) { s["predicate"].erase("domain"); }},
      {"number as text", [](Json& s) { s["predicate"]["number"] = "3"; }},
      {"negative number", [](Json& s) { s["predicate"]["number"] = -3; }},
      {"number with a fraction", [](Json& s) { s["predicate"]["number"] = 3.0; }},
      {"number of 2^63", [](Json& s) { s["predicate"]["number"] = 9223372036854775808ULL; }},
      {"upper case digest", [](Json& s) { s["predicate"]["root"] = std::string(64, 'A'); }},
      {"upper case VM", [](Json& s) { s["predicate"]["vm"] = "00000000-0000-4000-8000-00000000000A"; }},
      {"another subject", [](Json& s) { s["subject"][0]["name"] = "vm:another"; }},
      {"a second subject", [](Json& s) { s["subject"].push_back(s["subject"][0]); }},
      {"another kind", [](Json& s) { s["predicateType"] = "https://sealift.dev/vm.start/v1"; }},
      {"an unknown kind", [](Json& s) { s["predicateType"] = "https://sealift.dev/vm.dance/v1"; }},
      {"another version", [](Json& s) { s["predicateType"] = "https://sealift.dev/vm.rest/v2"; }},
      {"another statement type", [](Json& s) { s["_type"] = "https://in-toto.io/Statement/v0.1"; }},
      {"text too long", [](Json& s) { s["predicate"]["reason"] = std::string(kTextBytesMax + 1, 'x'); }},
  };
  EXPECT_TRUE(parse_changed(rest, [](Json&) {}));
  for (const Case& one : cases) EXPECT_FALSE(parse_changed(rest, one.change)) << one.name;
}

TEST(Record, ForwarderCannotMakeASecondIdOfIt) {
  const Bytes bytes =
      make_record(kDomain, VmRest{vm_id(), {3}, 3, digest_of("r"), ""}, identity_of("zurich"));
  Bytes spaced = bytes;
  spaced.insert(spaced.begin() + 1, ' ');
  EXPECT_FALSE(parse_record(spaced));
  Bytes trailing = bytes;
  trailing.push_back('\n');
  EXPECT_FALSE(parse_record(trailing));
  EXPECT_FALSE(approve(bytes, identity_of("bern")));  // signed by one host alone
}

TEST(Record, ApprovalsAreSortedAndCountOnce) {
  const Bytes first = make_record(kDomain, HostExpel{1, host("x"), "gone"}, identity_of("zurich"));
  const auto both = approve(first, identity_of("bern"));
  const auto other_way = approve(make_record(kDomain, HostExpel{1, host("x"), "gone"}, identity_of("bern")),
                                 identity_of("zurich"));
  ASSERT_TRUE(both && other_way);
  EXPECT_EQ(*both, *other_way);
  EXPECT_EQ(*approve(*both, identity_of("bern")), *both);
  EXPECT_EQ(parse_record(*both)->envelope.signatures().size(), 2U);
}

TEST(Seal, SaysItsRootAndIsTheSourcesAlone) {
  const Seal seal{kDomain, {digest_of("m")}, vm_id(), host("zurich"), host("bern"), {1}, parts_of()};
  const auto parsed = parse_seal(make_seal(seal, identity_of("zurich")));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->seal, seal);
  EXPECT_TRUE(parsed->verify(identity_of("zurich").public_key()));
  EXPECT_FALSE(parsed->verify(identity_of("bern").public_key()));
  for (std::size_t i = 0; i < seal.parts.size(); ++i) {
    auto changed = seal.parts;
    changed[i].bytes += 1;
    EXPECT_NE(parts_root(changed), seal.root());
    changed = seal.parts;
    changed[i].digest.bytes[31] ^= 1;
    EXPECT_NE(parts_root(changed), seal.root());
  }
  Seal without = seal;
  without.parts.erase(without.parts.begin());
  EXPECT_FALSE(parse_seal(make_seal(without, identity_of("zurich"))));  // no definition
}

TEST(Genesis, NamesItsDomainByItsBytes) {
  const Genesis genesis = genesis_of("zurich", {2, 5000, {"eu", "ch"}});
  const auto again = parse_genesis(genesis.bytes);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->id(), genesis.id());
  EXPECT_EQ(again->founders, genesis.founders);
  EXPECT_EQ(again->policy, genesis.policy);
  int accepted = 0;
  for (std::size_t i = 0; i < genesis.bytes.size(); ++i) {
    Bytes changed = genesis.bytes;
    changed[i] ^= 1;
    const auto other = parse_genesis(changed);
    accepted += other ? 1 : 0;
    if (other) {
      EXPECT_NE(other->id(), genesis.id());
    }
  }
  EXPECT_GT(accepted, 0);  // digits of the nonce, say: then it is another domain
}

TEST(Ids, HaveOneTextForm) {
  EXPECT_TRUE(HostName::parse("web-01"));
  for (const char* bad : {"", "Web", "a.b", "a b", "a\n"}) EXPECT_FALSE(HostName::parse(bad)) << bad;
  SeededRandom random(3);
  const VmId id = VmId::make(random);
  EXPECT_EQ(*VmId::parse(id.text()), id);
  EXPECT_FALSE(VmId::parse(id.text().substr(1)));
}

}  // namespace
}  // namespace sealift::ledger
