// The ledger's file: stopped at any point, altered at any place.
#include <gtest/gtest.h>

#include "ledger/chain_fixture.hpp"
#include "ledger/embedded/schema.hpp"

namespace sealift::ledger {
namespace {

using namespace testing;

// Alters the closed file with SQL and opens it again.
std::string open_after(Net& net, const std::string& name, std::string_view sql) {
  net.chains.erase(name);
  {
    auto database = Database::open(net.file_of(name), kSchema, kSchemaVersion);
    EXPECT_TRUE(database);
    const Status done = database->execute(sql);
    EXPECT_TRUE(done) << done.error().message;
  }
  const auto chain = net.try_open(name);
  if (chain) return {};
  EXPECT_EQ(chain.error().code, Code::kCorrupt) << chain.error().message;
  return chain.error().message;
}

TEST(Store, ReopensAfterEveryStep) {
  Net net;
  const auto reopen_all = [&] {
    for (const char* name : {"zurich", "bern", "genf"}) {
      if (!net.chains.contains(name)) continue;
      const auto root = net.at(name).state()->root();
      const auto final = net.at(name).final_height();
      net.open(name);
      EXPECT_EQ(net.at(name).state()->root(), root);
      EXPECT_EQ(net.at(name).final_height(), final);
    }
  };
  net.three();
  reopen_all();
  net.register_vm();
  reopen_all();
  net.settle();
  for (const MoveStatus status : {MoveStatus::kOffered, MoveStatus::kAccepted, MoveStatus::kCommitted}) {
    if (status == MoveStatus::kOffered) net.say(net.world.offer(), {"zurich"});
    if (status == MoveStatus::kAccepted) net.say(MoveAccept{net.world.stamp()}, {"bern"});
    if (status == MoveStatus::kCommitted) net.say(net.world.commit(), {"bern"});
    reopen_all();
    ASSERT_TRUE(net.follow("bern"));
    reopen_all();
    ASSERT_TRUE(net.cosign("bern"));
    reopen_all();
  }
}

TEST(Store, BelongsToOneDomain) {
  Net net;
  SeededRandom random(99);
  const Genesis other = make_genesis(info_of("zurich"), {}, at_ms(kStartMs), random);
  EXPECT_EQ(Store::create(net.file_of("zurich"), other).error().code, Code::kConflict);
  EXPECT_TRUE(Store::open(net.file_of("zurich")));
}

TEST(Store, AnAlteredFileIsFoundAndTheHeightNamed) {
  struct Case {
    const char* name;
    const char* sql;
    const char* word;
  };
  const std::vector<Case> cases = {
      {"a record's byte", "UPDATE record SET envelope = replace(envelope, 'a', 'b') WHERE height = 4",
       "block 4"},
      {"a record gone", "DELETE FROM record WHERE height = 5", "block 5"},
      {"a header's byte",
       "UPDATE block SET header = CAST(substr(header, 1, 120) || x'00' || substr(header, 122) AS BLOB) WHERE "
       "height = 3",
       "block 4"},
      {"a block in the middle gone",
       "DELETE FROM record WHERE height = 4; DELETE FROM block WHERE height = 4", "block 4"},
      {"the last block gone", "DELETE FROM record WHERE height = 6; DELETE FROM block WHERE height = 6",
       "block 6"},
      {"two blocks swapped",
       "PRAGMA foreign_keys=OFF; UPDATE block SET height = 100 WHERE height = 3; UPDATE block SET height = 3 "
       "WHERE height = 4; UPDATE "
       "block SET height = 4 WHERE height = 100",
       "block 3"},
      {"a membership change forgotten", "DELETE FROM change WHERE height = 1", "block 2"},
      {"a checkpoint's root", "UPDATE checkpoint SET text = replace(text, 'A', 'B')", "checkpoint"},
      {"the own vote", "UPDATE voted SET root = zeroblob(32)", "block 6"},
      {"a signature's byte",
       "UPDATE signature SET signature = CAST(substr(signature, 1, 70) || x'0000' AS BLOB) WHERE "
       "length(signature) = 72",
       "checkpoint of block"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    Net net;
    net.three();
    net.moved();
    net.settle();
    ASSERT_EQ(net.server().height(), 6U);
    const std::string message = open_after(net, "zurich", one.sql);
    EXPECT_NE(message.find(one.word), std::string::npos) << message;
  }
}

TEST(Store, AnAlteredKeptStateIsFound) {
  Net net;
  for (int i = 1; i <= 70; ++i)
    net.say(VmRegister{vm_id(i), {0}, 1, host("zurich"), digest_of("d")}, {"zurich"});
  const std::string message = open_after(
      net, "zurich",
      "UPDATE state SET value = replace(value, '\"epoch\":0', '\"epoch\":1') WHERE key LIKE 'vm/%'");
  EXPECT_NE(message.find("block 64"), std::string::npos) << message;
}

// A new term may leave out the blocks that some signatures stood on; otherwise they have no reason to be
// gone.
TEST(Store, AKeptStateWithoutItsSignaturesIsNotTrusted) {
  Net net;
  for (int i = 1; i <= 70; ++i)
    net.say(VmRegister{vm_id(i), {0}, 1, host("zurich"), digest_of("d")}, {"zurich"});
  const std::string message = open_after(net, "zurich", "DELETE FROM signature");
  EXPECT_NE(message.find("signatures that made it so are gone"), std::string::npos) << message;
  EXPECT_EQ(open_after(net, "zurich", "INSERT INTO replaced (height, block) VALUES (71, x'00')"), "");
  net.open("zurich");
  EXPECT_EQ(net.server().final_height(), 0U);
  EXPECT_EQ(net.server().state()->root(), net.world.state.root());
}

TEST(Store, AnOlderCopyThanWhatWasCosignedIsRefused) {
  Net net;
  net.three();
  net.register_vm();
  net.settle();
  const std::string message =
      open_after(net, "bern",
                 "DELETE FROM record WHERE height = 3; DELETE FROM block WHERE height = 3;"
                 "DELETE FROM signature WHERE size = 3; DELETE FROM checkpoint WHERE size = 3");
  EXPECT_NE(message.find("older than what this host cosigned"), std::string::npos) << message;
}

}  // namespace
}  // namespace sealift::ledger
