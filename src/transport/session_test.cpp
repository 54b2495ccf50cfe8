#include "transport/session.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "transport/test_pair.hpp"

namespace sealift::transport::testing {
namespace {

TEST(Session, CarriesMessagesAndStreamsBothWays) {
  Pair pair;
  ASSERT_NO_FATAL_FAILURE(pair.connect());
  ASSERT_TRUE(pair.initiator->send(as_bytes("hello")));
  EXPECT_EQ(as_text(pair.accepted->receive(Deadline::in(5s), {}).value()), "hello");
  ASSERT_TRUE(pair.accepted->send(as_bytes("there")));
  EXPECT_EQ(as_text(pair.initiator->receive(Deadline::in(5s), {}).value()), "there");
  {
    std::vector<std::jthread> threads;
    for (const StreamId id : std::array<StreamId, 3>{1, 2, 32}) {
      threads.emplace_back([&pair, id] { send_pattern(*pair.initiator, id, 200, kRecordBytesMax - id); });
      threads.emplace_back([&pair, id] { check_pattern(*pair.accepted, id, 200, kRecordBytesMax - id); });
    }
    threads.emplace_back([&pair] { send_pattern(*pair.accepted, 32, 50, 17); });
    threads.emplace_back([&pair] { check_pattern(*pair.initiator, 32, 50, 17); });
  }
  for (const StreamId id : std::array<StreamId, 3>{1, 2, 32}) {
    EXPECT_EQ(pair.initiator->transcript(id, Direction::kSent),
              pair.accepted->transcript(id, Direction::kReceived));
  }
  EXPECT_NE(pair.initiator->transcript(1, Direction::kSent), pair.initiator->transcript(2, Direction::kSent));
  EXPECT_TRUE(pair.initiator->close(Deadline::in(5s), {}));
  EXPECT_EQ(pair.accepted->receive(Deadline::in(5s), {}).error().code, Code::kClosed);
}

TEST(Session, AbortReachesTheOtherSideWithItsReason) {
  Pair pair;
  ASSERT_NO_FATAL_FAILURE(pair.connect());
  pair.initiator->abort({Code::kRefused, "changed my mind"});
  const auto told = pair.accepted->receive(Deadline::in(5s), {});
  EXPECT_EQ(told.error().code, Code::kRefused);
  EXPECT_EQ(told.error().message, "changed my mind");
}

}  // namespace
}  // namespace sealift::transport::testing
