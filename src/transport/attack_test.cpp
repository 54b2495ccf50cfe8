// An attacker on the path (test_relay.hpp): whatever it does to the bytes, nothing wrong is ever delivered,
// and what was altered ends the session as corrupt at both ends.

#include "transport/session.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "transport/test_attack.hpp"

namespace sealift::transport::testing {
namespace {

struct Flip {
  const char* name;
  Way way;
  RecordKind kind;
  std::uint64_t sequence;
  std::ptrdiff_t at;  // from the front; from the back where negative
  std::uint8_t bits = 1;
};

class FlippedByte : public ::testing::TestWithParam<Flip> {};

TEST_P(FlippedByte, EndsTheSessionAsCorruptAtBothEnds) {
  const Flip flip = GetParam();
  bool done = false;
  expect_corrupt(attack([&](Unit& unit) {
    if (done || !is_record(unit, flip.way, flip.kind, flip.sequence)) return;
    done = true;
    const auto size = static_cast<std::ptrdiff_t>(unit.bytes.size());
    unit.out[0][static_cast<std::size_t>(flip.at < 0 ? size + flip.at : flip.at)] ^= flip.bits;
  }));
  EXPECT_TRUE(done);
}

INSTANTIATE_TEST_SUITE_P(
    EveryRecordKindAndField, FlippedByte,
    ::testing::Values(Flip{"DataMagic", Way::kForward, RecordKind::kData, 3, 0},
                      Flip{"DataVersion", Way::kForward, RecordKind::kData, 3, 2},
                      Flip{"DataKind", Way::kForward, RecordKind::kData, 3, 3},
                      Flip{"DataStream", Way::kForward, RecordKind::kData, 3, 5},
                      Flip{"DataReserved", Way::kForward, RecordKind::kData, 3, 7},
                      Flip{"DataSequenceUp", Way::kForward, RecordKind::kData, 4, 15},
                      Flip{"DataSequenceDown", Way::kForward, RecordKind::kData, 3, 15},
                      Flip{"DataFirstByte", Way::kForward, RecordKind::kData, 0, 24},
                      Flip{"DataLastByte", Way::kForward, RecordKind::kData, 39, -17},
                      Flip{"DataTag", Way::kForward, RecordKind::kData, 39, -1},
                      Flip{"LastSequence", Way::kForward, RecordKind::kLast, 40, 15},
                      Flip{"LastSequenceOfARecordThatIsThere", Way::kForward, RecordKind::kLast, 40, 15, 8},
                      Flip{"LastTag", Way::kForward, RecordKind::kLast, 40, -1},
                      Flip{"ResumeForwardTag", Way::kForward, RecordKind::kResume, 0, -1},
                      Flip{"ResumeBackSequence", Way::kBack, RecordKind::kResume, 0, 15},
                      Flip{"AckBody", Way::kBack, RecordKind::kAck, 1, 30},
                      Flip{"AckTag", Way::kBack, RecordKind::kAck, 1, -1}),
    [](const auto& tested) { return tested.param.name; });

TEST(Attack, ADroppedRecordIsAGapAndEndsTheSession) {
  expect_corrupt(attack([](Unit& unit) {
    if (unit.header.stream == 1 && is_record(unit, Way::kForward, RecordKind::kData, 5)) unit.out.clear();
  }));
}

TEST(Attack, ADroppedEndIsNeverAnEnd) {
  // The relay holds the last record of a stream back and cuts: after the reconnection it is sent again.
  bool done = false;
  const Outcome outcome = attack([&](Unit& unit) {
    if (done || !is_record(unit, Way::kForward, RecordKind::kLast, kRecords)) return;
    done = true;
    unit.out.clear();
    unit.cut = true;
  });
  EXPECT_TRUE(done);
  expect_whole(outcome);
}

TEST(Attack, DuplicatesAreDroppedNeverDeliveredTwice) {
  const Outcome outcome = attack([](Unit& unit) {
    if (unit.kind == Unit::Kind::kRecord && !is_link_kind(unit.header.kind)) unit.out.push_back(unit.bytes);
  });
  expect_whole(outcome);
  EXPECT_EQ(outcome.receiver.duplicates_dropped, 3 * (kRecords + 1));
}

TEST(Attack, ADuplicatedAcknowledgementEndsTheSession) {
  bool done = false;
  RelayedPair pair;
  ASSERT_NO_FATAL_FAILURE(pair.connect([&](Unit& unit) {
    if (done || !is_record(unit, Way::kBack, RecordKind::kAck, 1)) return;
    done = true;
    unit.out.push_back(unit.bytes);
  }));
  std::jthread writer([&] { write_quietly(*pair.initiator, 1); });
  static_cast<void>(read_checked(*pair.accepted, 1));
  EXPECT_EQ(pair.initiator->receive(Deadline::in(30s), {}).error().code, Code::kCorrupt);
}

TEST(Attack, ReorderedRecordsEndTheSession) {
  Bytes held;
  expect_corrupt(attack([&](Unit& unit) {
    if (unit.header.stream != 2) return;
    if (is_record(unit, Way::kForward, RecordKind::kData, 7)) {
      held = unit.bytes;
      unit.out.clear();
    } else if (is_record(unit, Way::kForward, RecordKind::kData, 8)) {
      unit.out.push_back(held);
    }
  }));
}

TEST(Attack, ARecordUnderAnotherStreamsNameEndsTheSession) {
  // Streams 1 and 3 share a connection: record 5 of each goes as the other one's.
  Bytes held;
  bool swapped = false;
  expect_corrupt(attack([&](Unit& unit) {
    if (swapped || !is_record(unit, Way::kForward, RecordKind::kData, 5) || unit.header.stream == 2) return;
    if (held.empty()) {
      held = unit.bytes;
      unit.out.clear();
      return;
    }
    swapped = true;
    Bytes other = unit.bytes;
    std::swap_ranges(other.begin(), other.begin() + kRecordHeaderBytes, held.begin());
    unit.out = {other, held};
  }));
}

TEST(Attack, ARecordOfAnotherSessionEndsTheSession) {
  Bytes foreign;
  expect_whole(attack([&](Unit& unit) {
    if (unit.header.stream == 1 && is_record(unit, Way::kForward, RecordKind::kData, 5)) foreign = unit.bytes;
  }));
  ASSERT_FALSE(foreign.empty());
  expect_corrupt(attack([&](Unit& unit) {
    if (unit.header.stream == 1 && is_record(unit, Way::kForward, RecordKind::kData, 5)) unit.out = {foreign};
  }));
}

TEST(Attack, ARecordReflectedToItsSenderEndsTheSession) {
  Bytes sent;
  bool done = false;
  RelayedPair pair;
  ASSERT_NO_FATAL_FAILURE(pair.connect([&](Unit& unit) {
    if (is_record(unit, Way::kForward, RecordKind::kData, 0)) sent = unit.bytes;
    if (!done && !sent.empty() && unit.way == Way::kBack && unit.kind == Unit::Kind::kRecord) {
      done = true;
      unit.out.push_back(sent);
    }
  }));
  std::jthread writer([&] { write_quietly(*pair.initiator, 1); });
  std::jthread reader([&] { static_cast<void>(read_checked(*pair.accepted, 1)); });
  EXPECT_EQ(read_checked(*pair.initiator, 1)->code, Code::kCorrupt);
}

}  // namespace
}  // namespace sealift::transport::testing
