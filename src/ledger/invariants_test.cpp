// Random sequences of right and wrong records: whatever the rules allow, ownership stays sound.
#include <gtest/gtest.h>

#include "ledger/ledger_fixture.hpp"

namespace sealift::ledger {
namespace {

using namespace testing;

class Walk {
 public:
  explicit Walk(std::uint64_t seed) : random_(seed) {
    world_.three();
    world_.join("basel", {"zurich", "bern"});
    world_.register_vm();
    note();
  }

  void step() {
    world_.block.time_ms += random_.below(30'000);
    const State before = world_.state;
    const Body said = body();
    const auto id = world_.say(said, signers());
    if (!id) {
      EXPECT_EQ(world_.state.root(), before.root());
      return;
    }
    ++allowed_;
    check(before);
    note();
  }
  int allowed() const { return allowed_; }

 private:
  std::string anyone() {
    const auto members = world_.state.members();
    return members[random_.below(members.size())].info.name.text();
  }
  std::vector<std::string> signers() {
    std::vector<std::string> all = {anyone()};
    if (!multi_) return all;
    for (const Member& member : world_.state.members()) {
      if (random_.below(4) != 0) all.push_back(member.info.name.text());
    }
    return all;
  }
  MoveStamp stamp() {
    const auto last = world_.state.last_move(vm_id());
    if (!last) return {vm_id(), {1}, ++world_.number, {digest_of("none")}};
    MoveStamp stamp = world_.stamp(random_.below(8) == 0 ? 1 : 0);
    return stamp;
  }
  Body body() {
    multi_ = false;
    const auto last = world_.state.last_move(vm_id());
    switch (random_.below(12)) {
      case 0:
      case 1: {
        MoveOffer offer =
            world_.offer(anyone(), anyone(), random_.below(2) == 0 ? MoveMode::kCold : MoveMode::kLive);
        offer.epoch.value += random_.below(8) == 0 ? 1 : 0;
        return offer;
      }
      case 2:
      case 3: return MoveAccept{stamp()};
      case 4:
      case 5:
        if (!last) return MoveAccept{stamp()};
        return world_.commit();
      case 6: return MoveAbort{stamp(), "r"};
      case 7: return MoveStarted{stamp(), "running"};
      case 8: {
        MoveStamp back = stamp();
        back.epoch.value += last ? 1 : 0;
        return MoveReturn{back, "r"};
      }
      case 9: return MoveClosed{stamp(), "erased"};
      case 10: {
        const Vm vm = *world_.state.vm(vm_id());
        if (random_.below(2) == 0) return VmStart{vm_id(), vm.epoch, ++world_.number, {}, ""};
        return VmStart{vm_id(), {vm.epoch.value + 1}, ++world_.number, {}, ""};
      }
      default: {
        multi_ = true;
        const Vm vm = *world_.state.vm(vm_id());
        if (world_.state.members().size() < 4)
          return HostJoin{world_.change(), info_of(fmt::format("host-{}", ++joined_)), ""};
        return VmRecover{world_.change(), vm_id(), {vm.epoch_used.value + 1}, vm.owner, host(anyone()),
                         "off",           {}};
      }
    }
  }

  void check(const State& before) {
    const Vm was = *before.vm(vm_id());
    const Vm is = *world_.state.vm(vm_id());
    EXPECT_GE(is.epoch, was.epoch);
    EXPECT_GE(is.epoch_used, was.epoch_used);
    EXPECT_GE(is.epoch_used, is.epoch);
    if (is.owner != was.owner) {
      EXPECT_GT(is.epoch, was.epoch) << "a new owner needs a new epoch";
    }
    int open = 0;
    for (const Move& move : world_.state.moves()) {
      open += move.open() ? 1 : 0;
      if (move.commit) {
        EXPECT_TRUE(move.accept) << "no commit without accept";
      }
      if (move.commit) {
        EXPECT_FALSE(move.abort) << "committed and aborted";
      }
      EXPECT_FALSE(move.started && move.returned);
    }
    EXPECT_LE(open, 1);
  }
  void note() {
    const Vm vm = *world_.state.vm(vm_id());
    const auto [found, fresh_epoch] = owners_.emplace(vm.epoch, vm.owner);
    EXPECT_EQ(found->second, vm.owner) << "two owners of epoch " << vm.epoch.value;
    std::vector<std::pair<std::string, std::string>> pairs;
    for (std::size_t i = 0; i < world_.state.size(); ++i) pairs.emplace_back(world_.state.at(i));
    EXPECT_EQ(State::from_pairs(std::move(pairs))->root(), world_.state.root());
  }

  World world_;
  SeededRandom random_;
  bool multi_ = false;
  int allowed_ = 0;
  int joined_ = 0;
  std::map<Epoch, HostName> owners_;
};

TEST(Rules, RandomRecordsKeepOneOwnerPerEpoch) {
  int allowed = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Walk walk(seed);
    for (int i = 0; i < 150; ++i) walk.step();
    allowed += walk.allowed();
  }
  EXPECT_GT(allowed, 200);
}

// simple:v of CometBFT, computed by hand for one and for two keys.
TEST(State, RootIsOfTheSimpleForm) {
  const crypto::Digest value = digest_of("v");
  Bytes leaf = {3, 'k', 'e', 'y', 32};
  leaf.insert(leaf.end(), value.bytes.begin(), value.bytes.end());
  EXPECT_EQ(State::leaf_hash("key", "v"), crypto::merkle_leaf(leaf));
  const World world;
  for (std::size_t i = 0; i < world.state.size(); ++i) {
    const auto [key, text] = world.state.at(i);
    const auto proof = world.state.prove(key);
    ASSERT_TRUE(proof);
    EXPECT_EQ(proof->index, i);
    EXPECT_TRUE(crypto::verify_inclusion(State::leaf_hash(key, text), i, proof->total, proof->path,
                                         world.state.root()));
  }
  EXPECT_FALSE(world.state.prove("vm/none"));
}

}  // namespace
}  // namespace sealift::ledger
