#include "ledger/rules_cases.hpp"

namespace sealift::ledger {
namespace {

using namespace testing;
using Names = std::vector<std::string>;

Act join(std::string name, Names signers) {
  return say([=](World& w) { return HostJoin{w.change(), info_of(name), ""}; }, signers);
}
Act join_as_bern(std::string key) {
  return say(
      [=](World& w) {
        HostInfo info = info_of("bern");
        info.key = identity_of(key).public_key();
        return HostJoin{w.change(), info, ""};
      },
      {"zurich", "genf"});
}
Act leave(std::string name, Names signers) {
  return say([=](World& w) { return HostLeave{w.change(), host(name)}; }, signers);
}
Act expel(std::string name, Names signers) {
  return say([=](World& w) { return HostExpel{w.change(), host(name), "r"}; }, signers);
}
Act rotate(std::string key, Names signers) {
  return say([=](World&) { return HostUpdate{1, host("bern"), {}, identity_of(key).public_key()}; }, signers);
}
Act rules(std::uint32_t version, std::uint64_t ahead, Names signers) {
  return say([=](World& w) { return RulesActivate{w.change(), version, w.block.height + ahead}; }, signers);
}
void bern_expelled(World& w) {
  w.three();
  EXPECT_TRUE(expel("bern", {"zurich", "genf"})(w));
}

const std::vector<Case> kCases = {
    {"join by the only member", [](World&) {}, join("bern", {"zurich"}), {}},
    {"join without a majority", three, join("x", {"zurich"}), kUna},
    {"join by two of three", three, join("x", {"zurich", "genf"}), {}},
    {"join by strangers", three, join("x", {"x", "y"}), kUna},
    {"join with a wrong number", three,
     say([](World& w) { return HostJoin{w.change() + 1, info_of("x"), ""}; }, {"zurich", "genf"}), kRef},
    {"join of a member", three, join("bern", {"zurich", "genf"}), kRef},
    {"join under a member's name with another key", three, join_as_bern("x"), kRef},
    {"join with a key used before", bern_expelled, join("bern", {"zurich", "genf"}), kRef},
    {"join anew with another key", bern_expelled, join_as_bern("x"), {}},
    {"join as a lost owner's name", expelled(MoveStatus::kStarted, "bern", {"zurich", "genf"}),
     join_as_bern("x"), kRef},
    {"leave", three, leave("bern", {"bern", "zurich", "genf"}), {}},
    {"leave not signed by itself", three, leave("bern", {"zurich", "genf"}), kUna},
    {"leave with itself counted", three, leave("bern", {"bern", "genf"}), kUna},
    {"leave of the server", three, leave("zurich", {"zurich", "bern", "genf"}), kRef},
    {"leave of the last member", [](World&) {}, leave("zurich", {"zurich"}), kRef},
    {"leave while owning",
     [](World& w) {
       w.three();
       w.register_vm(1, "bern");
     },
     leave("bern", {"bern", "zurich", "genf"}), kRef},
    {"leave while owning, before anybody agrees",
     [](World& w) {
       w.three();
       w.register_vm(1, "bern");
     },
     leave("bern", {"bern"}), kRef},
    {"leave while party to an open move", moved_to(MoveStatus::kOffered),
     leave("bern", {"bern", "zurich", "genf"}), kRef},
    {"leave after an abort", moved_to(MoveStatus::kAborted), leave("bern", {"bern", "zurich", "genf"}), {}},
    {"expel by the others", three, expel("bern", {"zurich", "genf"}), {}},
    {"expel, the expelled one's signature does not count", three, expel("bern", {"zurich", "bern"}), kUna},
    {"expel of a stranger", three, expel("x", {"zurich", "genf"}), kRef},
    {"update by the host",
     three,
     say([](World&) { return HostUpdate{1, host("bern"), {"b:1"}, {}}; }, {"bern"}),
     {}},
    {"update by another", three,
     say([](World&) { return HostUpdate{1, host("bern"), {"b:1"}, {}}; }, {"zurich"}), kUna},
    {"update replayed",
     [](World& w) {
       w.three();
       EXPECT_TRUE(w.say(HostUpdate{5, host("bern"), {"b:1"}, {}}, {"bern"}));
     },
     say([](World&) { return HostUpdate{5, host("bern"), {"b:2"}, {}}; }, {"bern"}), kRef},
    {"rotation by both keys", three, rotate("next", {"bern", "next"}), {}},
    {"rotation without the next key", three, rotate("next", {"bern"}), kUna},
    {"rotation without the old key", three, rotate("next", {"next"}), kUna},
    {"rotation to another member's key", three, rotate("genf", {"bern", "genf"}), kRef},
    {"rules of a newer version", three, rules(2, 5, {"zurich", "bern"}), {}},
    {"rules from this block on", three, rules(2, 0, {"zurich", "bern"}), kRef},
    {"rules of the same version", three, rules(1, 100, {"zurich", "bern"}), kRef},
    {"rules by one of three", three, rules(2, 100, {"zurich"}), kUna},
    {"rules newer than this build",
     [](World& w) {
       w.three();
       EXPECT_TRUE(w.say(RulesActivate{w.change(), 2, w.block.height + 1}, {"zurich", "bern"}));
     },
     expel("bern", {"zurich", "genf"}), Code::kUnsupported},
    {"serve in a new term",
     [](World& w) {
       w.three();
       w.block.term = 2;
     },
     say([](World&) { return DomainServe{2, host("bern")}; }, {"bern", "genf"}),
     {}},
    {"serve without a quorum",
     [](World& w) {
       w.three();
       w.block.term = 2;
     },
     say([](World&) { return DomainServe{2, host("bern")}; }, {"bern"}), kUna},
    {"serve in the same term", three,
     say([](World&) { return DomainServe{1, host("bern")}; }, {"bern", "genf"}), kRef},
    {"a record of another domain", three,
     [](World& w) {
       return w.submit(
           make_record({digest_of("other")}, HostUpdate{1, host("bern"), {}, {}}, identity_of("bern")));
     },
     kRef},
};

TEST(Rules, Domain) {
  check(kCases);
}

}  // namespace
}  // namespace sealift::ledger
