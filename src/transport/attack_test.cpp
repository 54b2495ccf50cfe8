// An attacker on the path (test_relay.hpp): whatever it does to the bytes, nothing wrong is ever delivered,
// and what was altered ends the session as corrupt at both ends.

#include "transport/session.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "transport/test_relay.hpp"

namespace sealift::transport::testing {
namespace {

constexpr std::size_t kRecords = 40;
constexpr std::size_t kBytes = 100'000;

bool is_record(const Unit& unit, Way way, RecordKind kind, std::uint64_t sequence) {
  return unit.kind == Unit::Kind::kRecord && unit.way == way && unit.header.kind == kind &&
         unit.header.sequence == sequence;
}

// Reads streams to their end; every record given must be the right one. The error that ended it, if any.
std::optional<Error> read_checked(Session& session, StreamId id) {
  StreamReader reader = session.reader(id);
  for (std::size_t i = 0;; ++i) {
    const auto record = reader.next(Deadline::in(30s), {});
    if (!record) return record.error();
    if (!*record) {
      EXPECT_EQ(i, kRecords) << "an end that the sender never made";
      return std::nullopt;
    }
    Bytes expected(64);
    SeededRandom(id * 1000003U + i).fill(expected);
    EXPECT_TRUE((*record)->size() == kBytes && std::ranges::equal((*record)->first(64), expected)) << i;
  }
}

void write_quietly(Session& session, StreamId id) {
  StreamWriter writer = session.writer(id);
  for (std::size_t i = 0; i < kRecords; ++i) {
    SeededRandom(id * 1000003U + i).fill(writer.buffer().first(64));
    if (!writer.commit(kBytes)) return;
  }
  static_cast<void>(writer.finish());
}

// Streams 1 and 3 (one connection), 2 (the other one) under attack. What the readers saw.
struct Outcome {
  std::vector<std::optional<Error>> errors;
  std::optional<Error> at_sender;
  std::optional<Error> at_receiver;
  SessionCounters receiver;
};

Outcome attack(Relay::Hook hook, SessionOptions options = {}) {
  RelayedPair pair(options);
  Outcome outcome;
  pair.connect(std::move(hook));
  if (::testing::Test::HasFatalFailure()) return outcome;
  outcome.errors.resize(3);
  {
    std::vector<std::jthread> threads;
    for (StreamId id = 1; id <= 3; ++id) {
      threads.emplace_back([&, id] { write_quietly(*pair.initiator, id); });
      threads.emplace_back([&, id] { outcome.errors[id - 1U] = read_checked(*pair.accepted, id); });
    }
  }
  if (std::ranges::any_of(outcome.errors, [](const auto& e) { return e.has_value(); })) {
    // The other end learns of it, by itself or by being told.
    outcome.at_sender = pair.initiator->receive(Deadline::in(30s), {}).error();
  } else {
    for (StreamId id = 1; id <= 3; ++id) {
      EXPECT_EQ(pair.initiator->transcript(id, Direction::kSent),
                pair.accepted->transcript(id, Direction::kReceived));
    }
    EXPECT_TRUE(pair.initiator->close(Deadline::in(30s), {}));
  }
  outcome.at_receiver = pair.accepted->failure();
  outcome.receiver = pair.accepted->counters();
  return outcome;
}

void expect_corrupt(const Outcome& outcome) {
  ASSERT_TRUE(outcome.at_receiver);
  EXPECT_EQ(outcome.at_receiver->code, Code::kCorrupt) << outcome.at_receiver->message;
  ASSERT_TRUE(outcome.at_sender);
  EXPECT_EQ(outcome.at_sender->code, Code::kCorrupt) << outcome.at_sender->message;
}

void expect_whole(const Outcome& outcome) {
  for (const auto& error : outcome.errors) EXPECT_FALSE(error) << error->message;
}

struct Flip {
  const char* name;
  Way way;
  RecordKind kind;
  std::uint64_t sequence;
  std::ptrdiff_t at;  // from the front; from the back where negative
};

class FlippedByte : public ::testing::TestWithParam<Flip> {};

TEST_P(FlippedByte, EndsTheSessionAsCorruptAtBothEnds) {
  const Flip flip = GetParam();
  bool done = false;
  expect_corrupt(attack([&](Unit& unit) {
    if (done || !is_record(unit, flip.way, flip.kind, flip.sequence)) return;
    done = true;
    const auto size = static_cast<std::ptrdiff_t>(unit.bytes.size());
    unit.out[0][static_cast<std::size_t>(flip.at < 0 ? size + flip.at : flip.at)] ^= 1;
  }));
  EXPECT_TRUE(done);
}

INSTANTIATE_TEST_SUITE_P(EveryRecordKindAndField, FlippedByte,
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
                                           Flip{"LastTag", Way::kForward, RecordKind::kLast, 40, -1},
                                           Flip{"ResumeForwardTag", Way::kForward, RecordKind::kResume, 0,
                                                -1},
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

TEST(Attack, AFlippedAttachmentIsRefusedAndTheNextOneHolds) {
  for (const Unit::Kind kind :
       {Unit::Kind::kAttachRequest, Unit::Kind::kAttachAnswer, Unit::Kind::kAttachProof}) {
    for (const std::size_t at : {std::size_t{10}, std::size_t{31}}) {
      bool done = false;
      expect_whole(attack([&](Unit& unit) {
        if (done || unit.kind != kind) return;
        done = true;
        unit.out[0][at] ^= 1;
      }));
      EXPECT_TRUE(done);
    }
  }
}

TEST(Attack, AReplayedConnectionOfTheSameSessionIsRefused) {
  // Everything that the initiator sent on a first connection, played again to the acceptor by a stranger.
  std::vector<Bytes> recorded;
  RelayedPair pair;
  ASSERT_NO_FATAL_FAILURE(pair.connect([&](Unit& unit) {
    if (unit.kind != Unit::Kind::kTls && unit.way == Way::kForward && unit.link == 1) {
      recorded.push_back(unit.bytes);
    }
  }));
  std::jthread writer([&] { write_quietly(*pair.initiator, 1); });
  EXPECT_FALSE(read_checked(*pair.accepted, 1));
  writer.join();
  pair.relay->set_hook({});
  auto stranger = net::TcpStream::connect(pair.endpoint(), Deadline::in(5s), {});
  ASSERT_TRUE(stranger);
  for (const Bytes& bytes : recorded) {
    if (!stranger->write_all(bytes, Deadline::in(5s), {})) break;
  }
  Bytes answer(4096);  // a fresh nonce and its MAC, then the end
  while (true) {
    const auto got = stranger->read_some(answer, Deadline::in(30s), {});
    if (!got || *got == 0) break;
  }
  EXPECT_TRUE(pair.initiator->close(Deadline::in(30s), {}));  // the session is as it was
}

TEST(Attack, AFlippedByteInTlsDeliversNothing) {
  std::size_t seen = 0;
  RelayedPair pair;
  ASSERT_NO_FATAL_FAILURE(pair.connect([&](Unit& unit) {
    if (unit.kind == Unit::Kind::kTls && unit.way == Way::kForward && unit.bytes.size() > 3000 &&
        seen++ == 0) {
      unit.out[0][unit.bytes.size() / 2] ^= 1;
    }
  }));
  ASSERT_TRUE(pair.initiator->send(Bytes(5000, 1)));
  EXPECT_EQ(pair.accepted->receive(Deadline::in(30s), {}).error().code, Code::kCorrupt);
  EXPECT_EQ(pair.initiator->receive(Deadline::in(30s), {}).error().code, Code::kCorrupt);
}

class Cut : public ::testing::TestWithParam<int> {};

TEST_P(Cut, AtEveryFrameBoundaryAndWithinIsMadeGoodByReconnection) {
  const int where = GetParam();
  int cuts = 0;
  expect_whole(attack([&](Unit& unit) {
    if (cuts >= 2) return;
    const bool attach = unit.kind == Unit::Kind::kAttachRequest || unit.kind == Unit::Kind::kAttachAnswer ||
                        unit.kind == Unit::Kind::kAttachProof;
    const bool hit = (where == 0 && attach) || (where == 1 && unit.header.kind == RecordKind::kResume) ||
                     (where == 2 && unit.header.kind == RecordKind::kAck) ||
                     (where >= 3 && where <= 6 && unit.header.kind == RecordKind::kData &&
                      unit.header.sequence % 16 == 9) ||
                     (where == 7 && unit.header.kind == RecordKind::kLast);
    if (!hit || unit.kind == Unit::Kind::kTls) return;
    ++cuts;
    unit.cut = true;
    const std::size_t size = unit.bytes.size();
    const std::array<std::size_t, 8> keep{size - 1, size, size - 1, 0, 10, 24, size, size - 1};
    unit.out[0].resize(keep[static_cast<std::size_t>(where)]);
  }));
  EXPECT_EQ(cuts, 2);
}
INSTANTIATE_TEST_SUITE_P(Places, Cut, ::testing::Range(0, 8));

}  // namespace
}  // namespace sealift::transport::testing
