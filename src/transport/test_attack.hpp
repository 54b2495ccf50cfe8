#pragma once

// For tests: three streams sent through a relay under attack, and what became of them.

#include <gtest/gtest.h>

#include "transport/test_relay.hpp"

namespace sealift::transport::testing {

inline constexpr std::size_t kRecords = 40;
inline constexpr std::size_t kBytes = 100'000;

inline bool is_record(const Unit& unit, Way way, RecordKind kind, std::uint64_t sequence) {
  return unit.kind == Unit::Kind::kRecord && unit.way == way && unit.header.kind == kind &&
         unit.header.sequence == sequence;
}

// Reads streams to their end; every record given must be the right one. The error that ended it, if any.
inline std::optional<Error> read_checked(Session& session, StreamId id) {
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

inline void write_quietly(Session& session, StreamId id) {
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

inline Outcome attack(Relay::Hook hook, SessionOptions options = {}) {
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

inline void expect_corrupt(const Outcome& outcome) {
  ASSERT_TRUE(outcome.at_receiver);
  EXPECT_EQ(outcome.at_receiver->code, Code::kCorrupt) << outcome.at_receiver->message;
  ASSERT_TRUE(outcome.at_sender);
  EXPECT_EQ(outcome.at_sender->code, Code::kCorrupt) << outcome.at_sender->message;
}

inline void expect_whole(const Outcome& outcome) {
  for (const auto& error : outcome.errors) EXPECT_FALSE(error) << error->message;
}

}  // namespace sealift::transport::testing
