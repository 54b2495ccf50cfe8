#include "ledger/rules_cases.hpp"

namespace sealift::ledger {
namespace {

using namespace testing;
using Names = std::vector<std::string>;

Act offer(std::string signer, std::string from, std::string to) {
  return say([=](World& w) { return w.offer(from, to); }, {signer});
}
Act accept(std::string signer) {
  return say([](World& w) { return MoveAccept{w.stamp()}; }, {signer});
}
Act commit(std::string signer) {
  return say([](World& w) { return w.commit(); }, {signer});
}
Act abort(std::string signer) {
  return say([](World& w) { return MoveAbort{w.stamp(), "r"}; }, {signer});
}
Act started(std::string signer) {
  return say([](World& w) { return MoveStarted{w.stamp(), "running"}; }, {signer});
}
Act back(std::string signer) {
  return say([](World& w) { return MoveReturn{w.stamp(1), "r"}; }, {signer});
}
Act closed(std::string signer) {
  return say([](World& w) { return MoveClosed{w.stamp(), "quarantined"}; }, {signer});
}

const std::vector<Case> kCases = {
    {"offer", with_vm, offer("zurich", "zurich", "bern"), {}},
    {"offer by another", with_vm, offer("bern", "bern", "zurich"), kUna},
    {"offer in another's name", with_vm, offer("bern", "zurich", "bern"), kUna},
    {"offer to itself", with_vm, offer("zurich", "zurich", "zurich"), kRef},
    {"offer to a witness", with_vm, offer("zurich", "zurich", "genf"), kRef},
    {"offer to a stranger", with_vm, offer("zurich", "zurich", "x"), kRef},
    {"offer with the epoch it has", with_vm,
     say(
         [](World& w) {
           auto o = w.offer();
           o.epoch = {0};
           return o;
         },
         {"zurich"}),
     kRef},
    {"offer skipping an epoch", with_vm,
     say(
         [](World& w) {
           auto o = w.offer();
           o.epoch = {2};
           return o;
         },
         {"zurich"}),
     kRef},
    {"offer with a passed deadline", with_vm,
     say(
         [](World& w) {
           auto o = w.offer();
           o.deadline_ms = w.block.time_ms;
           return o;
         },
         {"zurich"}),
     kRef},
    {"offer live at rest", rested, offer("zurich", "zurich", "bern"), kRef},
    {"offer cold at rest",
     rested,
     say([](World& w) { return w.offer("zurich", "bern", MoveMode::kCold); }, {"zurich"}),
     {}},
    {"offer while one is offered", moved_to(MoveStatus::kOffered), offer("zurich", "zurich", "bern"), kRef},
    {"offer while one is accepted", moved_to(MoveStatus::kAccepted), offer("zurich", "zurich", "bern"), kRef},
    {"offer while one is committed", moved_to(MoveStatus::kCommitted), offer("bern", "bern", "zurich"), kRef},
    {"offer after an abort", moved_to(MoveStatus::kAborted), offer("zurich", "zurich", "bern"), {}},
    {"offer after an abort with the burnt epoch", moved_to(MoveStatus::kAborted),
     say(
         [](World& w) {
           auto o = w.offer();
           o.epoch = {1};
           return o;
         },
         {"zurich"}),
     kRef},
    {"offer back after started", moved_to(MoveStatus::kStarted), offer("bern", "bern", "zurich"), {}},
    {"offer again after a return", moved_to(MoveStatus::kReturned), offer("zurich", "zurich", "bern"), {}},
    {"offer after a recovery",
     moved_to(MoveStatus::kRecovered),
     say(
         [](World& w) {
           w.join("basel", {"zurich", "genf"});
           return w.offer("zurich", "basel");
         },
         {"zurich"}),
     {}},
    {"accept", moved_to(MoveStatus::kOffered), accept("bern"), {}},
    {"accept by the source", moved_to(MoveStatus::kOffered), accept("zurich"), kUna},
    {"accept by a third", moved_to(MoveStatus::kOffered), accept("genf"), kUna},
    {"accept after the deadline", late(MoveStatus::kOffered), accept("bern"), kRef},
    {"accept naming another epoch", moved_to(MoveStatus::kOffered),
     say([](World& w) { return MoveAccept{w.stamp(1)}; }, {"bern"}), kRef},
    {"accept of no move", with_vm,
     say([](World& w) { return MoveAccept{{vm_id(), {1}, ++w.number, {digest_of("x")}}}; }, {"bern"}), kRef},
    {"commit", moved_to(MoveStatus::kAccepted), commit("bern"), {}},
    {"commit without accept", moved_to(MoveStatus::kOffered), commit("bern"), kRef},
    {"commit by the source", moved_to(MoveStatus::kAccepted), commit("zurich"), kUna},
    {"commit after the deadline", late(MoveStatus::kAccepted), commit("bern"), kRef},
    {"commit at the deadline",
     [](World& w) {
       moved_to(MoveStatus::kAccepted)(w);
       w.block.time_ms = w.last().deadline_ms;
     },
     commit("bern"),
     {}},
    {"commit after an abort", moved_to(MoveStatus::kAborted), commit("bern"), kRef},
    {"commit with a seal of the destination", moved_to(MoveStatus::kAccepted),
     say([](World& w) { return MoveCommit{w.stamp(), make_seal(w.seal(parts_of()), identity_of("bern"))}; },
         {"bern"}),
     kUna},
    {"commit with a seal for another host", moved_to(MoveStatus::kAccepted),
     say(
         [](World& w) {
           Seal s = w.seal(parts_of());
           s.to = host("genf");
           return MoveCommit{w.stamp(), make_seal(s, identity_of("zurich"))};
         },
         {"bern"}),
     kRef},
    {"commit with a seal of another epoch", moved_to(MoveStatus::kAccepted),
     say(
         [](World& w) {
           Seal s = w.seal(parts_of());
           s.epoch = {0};
           return MoveCommit{w.stamp(), make_seal(s, identity_of("zurich"))};
         },
         {"bern"}),
     kRef},
    {"commit with a seal of another domain", moved_to(MoveStatus::kAccepted),
     say(
         [](World& w) {
           Seal s = w.seal(parts_of());
           s.domain = {digest_of("x")};
           return MoveCommit{w.stamp(), make_seal(s, identity_of("zurich"))};
         },
         {"bern"}),
     kRef},
    {"commit without the offered disk", moved_to(MoveStatus::kAccepted),
     say(
         [](World& w) {
           auto p = parts_of();
           p.erase(p.begin() + 1);
           return w.commit(p);
         },
         {"bern"}),
     kRef},
    {"commit with a disk of another size", moved_to(MoveStatus::kAccepted),
     say(
         [](World& w) {
           auto p = parts_of();
           p[1].bytes += 1;
           return w.commit(p);
         },
         {"bern"}),
     kRef},
    {"commit live without memory", moved_to(MoveStatus::kAccepted),
     say([](World& w) { return w.commit(parts_of("content", false)); }, {"bern"}), kRef},
    {"commit cold", moved_to(MoveStatus::kAccepted, MoveMode::kCold), commit("bern"), {}},
    {"commit cold of what is at rest",
     [](World& w) {
       rested(w);
       w.advance_to(MoveStatus::kAccepted, MoveMode::kCold);
     },
     commit("bern"),
     {}},
    {"commit cold of altered disks",
     [](World& w) {
       rested(w);
       w.advance_to(MoveStatus::kAccepted, MoveMode::kCold);
     },
     say([](World& w) { return w.commit(parts_of("altered", false)); }, {"bern"}), kRef},
    {"abort by the source", moved_to(MoveStatus::kAccepted), abort("zurich"), {}},
    {"abort by the destination", moved_to(MoveStatus::kOffered), abort("bern"), {}},
    {"abort by a third in time", moved_to(MoveStatus::kAccepted), abort("genf"), kUna},
    {"abort by a third after the deadline", late(MoveStatus::kAccepted), abort("genf"), {}},
    {"abort by a stranger after the deadline", late(MoveStatus::kAccepted), abort("x"), kUna},
    {"abort once committed", moved_to(MoveStatus::kCommitted), abort("zurich"), kRef},
    {"abort twice", moved_to(MoveStatus::kAborted), abort("zurich"), kRef},
    {"started", moved_to(MoveStatus::kCommitted), started("bern"), {}},
    {"started before the commit", moved_to(MoveStatus::kAccepted), started("bern"), kRef},
    {"started by the source", moved_to(MoveStatus::kCommitted), started("zurich"), kUna},
    {"started after a return", moved_to(MoveStatus::kReturned), started("bern"), kRef},
    {"return", moved_to(MoveStatus::kCommitted), back("bern"), {}},
    {"return in the move's epoch", moved_to(MoveStatus::kCommitted),
     say([](World& w) { return MoveReturn{w.stamp(), "r"}; }, {"bern"}), kRef},
    {"return after started", moved_to(MoveStatus::kStarted), back("bern"), kRef},
    {"return to a source that is gone", expelled(MoveStatus::kCommitted, "zurich", {"bern", "genf"}),
     back("bern"), kRef},
    {"started after the source is gone",
     expelled(MoveStatus::kCommitted, "zurich", {"bern", "genf"}),
     started("bern"),
     {}},
    {"closed", moved_to(MoveStatus::kStarted), closed("zurich"), {}},
    {"closed before started", moved_to(MoveStatus::kCommitted), closed("zurich"), kRef},
    {"closed by the destination", moved_to(MoveStatus::kStarted), closed("bern"), kUna},
    {"closed twice",
     [](World& w) {
       moved_to(MoveStatus::kStarted)(w);
       EXPECT_TRUE(w.say(MoveClosed{w.stamp(), "quarantined"}, {"zurich"}));
     },
     closed("zurich"), kRef},
    {"closed after a recovery to the source", moved_to(MoveStatus::kRecovered), closed("zurich"), kRef},
};

TEST(Rules, Moves) {
  check(kCases);
}

}  // namespace
}  // namespace sealift::ledger
