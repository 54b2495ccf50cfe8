#include "ledger/rules_cases.hpp"

namespace sealift::ledger {
namespace {

using namespace testing;
using Names = std::vector<std::string>;

Act retire(std::string signer) {
  return say([](World& w) { return VmRetire{vm_id(), {0}, ++w.number, ""}; }, {signer});
}
Act rest(std::string signer) {
  return say([](World& w) { return VmRest{vm_id(), {0}, ++w.number, digest_of("r"), ""}; }, {signer});
}
Act start(std::string signer, std::uint64_t epoch, std::optional<crypto::Digest> checked) {
  return say([=](World& w) { return VmStart{vm_id(), {epoch}, ++w.number, checked, ""}; }, {signer});
}
Act recover(std::uint64_t epoch, std::string lost, std::string owner, std::string fence, Names signers) {
  return say(
      [=](World& w) { return VmRecover{w.change(), vm_id(), {epoch}, host(lost), host(owner), fence, {}}; },
      signers);
}

Result<RecordId> replay_last_register(World& w) {
  const Bytes bytes = w.signed_record(VmRest{vm_id(), {0}, ++w.number, digest_of("r"), ""}, {"zurich"});
  EXPECT_TRUE(w.submit(bytes));
  return w.submit(bytes);
}

const std::vector<Case> kCases = {
    {"register",
     three,
     say([](World&) { return VmRegister{vm_id(), {0}, 1, host("zurich"), digest_of("d")}; }, {"zurich"}),
     {}},
    {"register by another", three,
     say([](World&) { return VmRegister{vm_id(), {0}, 1, host("zurich"), digest_of("d")}; }, {"bern"}), kUna},
    {"register by a witness", three,
     say([](World&) { return VmRegister{vm_id(), {0}, 1, host("genf"), digest_of("d")}; }, {"genf"}), kRef},
    {"register twice", with_vm,
     say([](World&) { return VmRegister{vm_id(), {0}, 9, host("bern"), digest_of("d")}; }, {"bern"}), kRef},
    {"register a retired id",
     [](World& w) {
       with_vm(w);
       EXPECT_TRUE(w.say(VmRetire{vm_id(), {0}, ++w.number, ""}, {"zurich"}));
     },
     say([](World&) { return VmRegister{vm_id(), {0}, 9, host("bern"), digest_of("d")}; }, {"bern"}), kRef},
    {"register with an epoch", three,
     say([](World&) { return VmRegister{vm_id(), {1}, 1, host("zurich"), digest_of("d")}; }, {"zurich"}),
     kRef},
    {"retire", with_vm, retire("zurich"), {}},
    {"retire by another", with_vm, retire("bern"), kUna},
    {"retire with a move open", moved_to(MoveStatus::kOffered), retire("zurich"), kRef},
    {"rest", with_vm, rest("zurich"), {}},
    {"rest in a stale epoch", moved_to(MoveStatus::kReturned), rest("zurich"), kRef},
    {"rest by the former owner", moved_to(MoveStatus::kStarted), rest("zurich"), kUna},
    {"rest with an old number", with_vm,
     say([](World& w) { return VmRest{vm_id(), {0}, w.number, digest_of("r"), ""}; }, {"zurich"}), kRef},
    {"rest replayed", with_vm, replay_last_register, kRef},
    {"start unverified", with_vm, start("zurich", 0, {}), {}},
    {"start from the rest root", rested, start("zurich", 0, disks_root(parts_of())), {}},
    {"start from another root", rested, start("zurich", 0, digest_of("x")), kRef},
    {"start unchecked at rest", rested, start("zurich", 0, {}), kRef},
    {"start naming a root without one", with_vm, start("zurich", 0, digest_of("x")), kRef},
    {"start by the destination before started", moved_to(MoveStatus::kCommitted), start("bern", 1, {}), kRef},
    {"start while a cold move is open", moved_to(MoveStatus::kAccepted, MoveMode::kCold),
     start("zurich", 0, {}), kRef},
    {"recover a lost owner's VM",
     moved_to(MoveStatus::kStarted),
     recover(2, "bern", "zurich", "off", {"zurich", "genf"}),
     {}},
    {"recover without a fence", moved_to(MoveStatus::kStarted),
     recover(2, "bern", "zurich", "", {"zurich", "genf"}), kRef},
    {"recover by too few", moved_to(MoveStatus::kStarted), recover(2, "bern", "zurich", "off", {"zurich"}),
     kUna},
    {"recover to a witness", moved_to(MoveStatus::kStarted),
     recover(2, "bern", "genf", "off", {"zurich", "genf"}), kRef},
    {"recover from one who is not the owner", moved_to(MoveStatus::kStarted),
     recover(2, "zurich", "bern", "off", {"bern", "genf"}), kRef},
    {"recover with a burnt epoch", moved_to(MoveStatus::kAborted),
     recover(1, "zurich", "bern", "off", {"bern", "genf"}), kRef},
    {"recover after the owner was expelled",
     expelled(MoveStatus::kStarted, "bern", {"zurich", "genf"}),
     recover(2, "bern", "zurich", "off", {"zurich", "genf"}),
     {}},
};

TEST(Rules, Vms) {
  check(kCases);
}

}  // namespace
}  // namespace sealift::ledger
