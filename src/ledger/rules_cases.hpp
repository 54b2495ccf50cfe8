#pragma once

// For the tests of the rules: tables of named cases, each a world brought to some point and one record more.

#include <gtest/gtest.h>

#include <functional>

#include "ledger/ledger_fixture.hpp"

namespace sealift::ledger::testing {
using Act = std::function<Result<RecordId>(World&)>;

struct Case {
  const char* name;
  std::function<void(World&)> before;
  Act act;
  std::optional<Code> refused;  // none: allowed
};

inline void three(World& w) {
  w.three();
}
inline void with_vm(World& w) {
  w.three(), w.register_vm();
}
inline std::function<void(World&)> moved_to(MoveStatus status, MoveMode mode = MoveMode::kLive) {
  return [=](World& w) { with_vm(w), w.advance_to(status, mode); };
}
inline void past_deadline(World& w) {
  w.block.time_ms = w.last().deadline_ms + 1;
}
inline std::function<void(World&)> late(MoveStatus status) {
  return [=](World& w) { moved_to(status)(w), past_deadline(w); };
}
inline Act say(std::function<Body(World&)> body, std::vector<std::string> signers) {
  return [=](World& w) { return w.say(body(w), signers); };
}
inline void rested(World& w) {
  with_vm(w);
  ASSERT_TRUE(w.say(VmRest{vm_id(), {0}, ++w.number, disks_root(parts_of()), ""}, {"zurich"}));
}
inline std::function<void(World&)> expelled(MoveStatus status, std::string name,
                                            std::vector<std::string> signers) {
  return [=](World& w) {
    moved_to(status)(w);
    EXPECT_TRUE(w.say(HostExpel{w.change(), host(name), "r"}, signers));
  };
}

constexpr Code kRef = Code::kRefused;
constexpr Code kUna = Code::kUnauthorized;

inline void check(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    World world;
    one.before(world);
    const auto id = one.act(world);
    if (!one.refused) {
      EXPECT_TRUE(id) << (id ? "" : id.error().message);
      continue;
    }
    ASSERT_FALSE(id) << "was allowed";
    EXPECT_EQ(id.error().code, *one.refused) << id.error().message;
  }
}

}  // namespace sealift::ledger::testing
