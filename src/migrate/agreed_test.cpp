#include "migrate/agreed.hpp"

#include <gtest/gtest.h>

#include "migrate/statement.hpp"

// What the journal keeps of a move beside its custody state, and the records made of it.

namespace sealift::migrate {

namespace {

class AgreedTest : public testing::Test {
 protected:
  void SetUp() override {
    SeededRandom random(5);
    agreed_.request.vm.id = ledger::VmId::make(random);
    agreed_.request.vm.from = *ledger::HostName::parse("zurich");
    agreed_.request.vm.live = true;
    agreed_.request.vm.definition.name = "web-01";
    agreed_.request.vm.definition.memory_bytes = 256 << 20;
    agreed_.request.vm.definition.disks = {{"vda", "default", 1 << 20, hypervisor::DiskFormat::kRaw}};
    agreed_.request.vm.disks = {{"vda", "raw", 1 << 20, 4096}};
    agreed_.request.vm.map_pools = {{"default", "fast"}};
    agreed_.request.channels = 2;
    agreed_.domain = {crypto::sha256(as_bytes("domain"))};
    agreed_.from = agreed_.request.vm.from;
    agreed_.to = *ledger::HostName::parse("bern");
    agreed_.epoch = {5};
    agreed_.deadline_ms = 1'800'000'000'000;
    agreed_.max_downtime_ms = 120;
    agreed_.streams = 4;
    agreed_.checks = "24 ok";
    agreed_.mapped = "default: default -> fast";
  }
  // The ledger's view of the offer that this host makes of it.
  ledger::Move offered() const {
    const ledger::MoveOffer offer = make_offer(agreed_, 1);
    ledger::Move move;
    move.vm = offer.vm;
    move.epoch = offer.epoch;
    move.from = offer.from;
    move.to = offer.to;
    move.mode = offer.mode;
    move.disks = offer.disks;
    return move;
  }

  Agreed agreed_;
};

}  // namespace

TEST_F(AgreedTest, ComesBackFromTheJournalAsItWas) {
  const std::string text = encode_agreed(agreed_);
  const auto back = decode_agreed(text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(encode_agreed(*back), text);
  EXPECT_EQ(back->epoch, agreed_.epoch);
  EXPECT_EQ(back->streams, 4U);
  EXPECT_EQ(back->max_downtime_ms, 120U);
  EXPECT_EQ(back->request.vm.map_pools, agreed_.request.vm.map_pools);
  EXPECT_EQ(back->mode(), custody::MoveMode::kLive);
}

TEST_F(AgreedTest, RefusesAnotherVersionAndNumbersThatDoNotFit) {
  std::string text = encode_agreed(agreed_);
  text.replace(text.find("\"agreed\":1"), 10, "\"agreed\":2");
  EXPECT_EQ(decode_agreed(text).error().code, Code::kUnsupported);
  text = encode_agreed(agreed_);
  text.replace(text.find("\"streams\":4"), 11, "\"streams\":4294967297");
  EXPECT_EQ(decode_agreed(text).error().code, Code::kInvalid);
}

TEST_F(AgreedTest, TakesOnlyTheOfferThatWasAgreed) {
  EXPECT_TRUE(compare_offer(offered(), agreed_));
  const std::vector<std::pair<std::string, std::function<void(ledger::Move&)>>> other = {
      {"VM", [](ledger::Move& m) { m.vm = {}; }},
      {"source", [](ledger::Move& m) { m.from = m.to; }},
      {"destination", [](ledger::Move& m) { m.to = m.from; }},
      {"mode", [](ledger::Move& m) { m.mode = ledger::MoveMode::kCold; }},
      {"set of disks", [](ledger::Move& m) { m.disks[0].bytes *= 2; }},
      {"set of disks", [](ledger::Move& m) { m.disks.clear(); }},
  };
  for (const auto& [what, change] : other) {
    ledger::Move move = offered();
    change(move);
    const Status compared = compare_offer(move, agreed_);
    ASSERT_FALSE(compared) << what;
    EXPECT_EQ(compared.error().code, Code::kRefused);
    EXPECT_NE(compared.error().message.find("another " + what), std::string::npos)
        << compared.error().message;
  }
}

TEST_F(AgreedTest, MakesEachRecordOfItsMove) {
  const auto identity = crypto::Identity::generate();
  const ledger::MoveId move = {crypto::sha256(as_bytes("offer"))};
  using Kind = custody::RecordKind;
  for (const Kind kind : {Kind::kAccept, Kind::kAbort, Kind::kStarted, Kind::kReturn, Kind::kClosed}) {
    const auto bytes = make_move_record(agreed_, move, kind, 7, {}, "because", identity);
    ASSERT_TRUE(bytes) << bytes.error().message;
    const auto record = ledger::parse_record(*bytes);
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(record->domain, agreed_.domain);
  }
  EXPECT_FALSE(make_move_record(agreed_, move, Kind::kOffer, 7, {}, "", identity));
}

TEST(SealStatement, ComesBackSortedAndNamesEachDifference) {
  const auto digest = [](std::string_view of) { return crypto::sha256(as_bytes(of)); };
  const std::vector<ledger::SealPart> parts = {{"memory/0", "transcript-sha256", 10, digest("m")},
                                               {"disk/vda", "blake3-leaves-256k", 1 << 20, digest("d")}};
  const auto back = decode_statement(encode_statement(parts));
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_EQ(back->size(), 2U);
  EXPECT_EQ(back->front().name, "disk/vda");
  EXPECT_EQ(difference(parts, *back), "");

  auto ours = *back;
  ours[0].digest = digest("x");
  EXPECT_NE(difference(parts, ours).find("disk/vda: sealed " + digest("d").hex()), std::string::npos);
  ours = *back;
  ours[1].bytes = 9;
  EXPECT_EQ(difference(parts, ours), "memory/0: 10 bytes sealed, 9 arrived");
  ours.pop_back();
  EXPECT_EQ(difference(parts, ours), "memory/0 was sealed but did not arrive");
  EXPECT_EQ(difference(ours, parts), "memory/0 arrived but was not sealed");
}

TEST(SealStatement, RefusesPartsOutOfOrderAndWhatIsLeftOver) {
  const std::vector<ledger::SealPart> parts = {{"a", "sha256", 1, {}}, {"b", "sha256", 2, {}}};
  Bytes bytes = encode_statement(parts);
  bytes.push_back(0);
  EXPECT_EQ(decode_statement(bytes).error().code, Code::kInvalid);
  bytes.pop_back();
  bytes[9] = 'c';  // the first part's name
  EXPECT_EQ(decode_statement(bytes).error().code, Code::kInvalid);
  bytes[0] = 2;
  EXPECT_EQ(decode_statement(bytes).error().code, Code::kUnsupported);
}

}  // namespace sealift::migrate
