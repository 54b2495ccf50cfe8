// What a session does when its connections are lost, held up, slow, or when it is to stop.

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "net/standing.hpp"
#include "transport/session.hpp"
#include "transport/test_relay.hpp"

namespace sealift::transport::testing {
namespace {

void expect_equal_transcripts(const Pair& pair, std::initializer_list<StreamId> streams) {
  for (const StreamId id : streams) {
    EXPECT_EQ(pair.initiator->transcript(id, Direction::kSent),
              pair.accepted->transcript(id, Direction::kReceived));
  }
}

TEST(Reconnect, TenCutsOfEverythingChangeNothing) {
  constexpr std::size_t kRecords = 600;
  constexpr std::size_t kBytes = 200'000;
  constexpr int kMessages = 200;
  RelayedPair pair({.window_bytes = 4 * 1024 * 1024, .retry_first = 5ms});
  std::atomic<std::uint64_t> seen = 0;
  ASSERT_NO_FATAL_FAILURE(pair.connect([&seen](Unit&) {
    ++seen;
    seen.notify_all();
  }));
  {
    std::vector<std::jthread> threads;
    for (const StreamId id : std::array<StreamId, 2>{1, 2}) {
      threads.emplace_back([&pair, id] { send_pattern(*pair.initiator, id, kRecords, kBytes); });
      threads.emplace_back([&pair, id] { check_pattern(*pair.accepted, id, kRecords, kBytes); });
    }
    threads.emplace_back([&pair] { send_pattern(*pair.accepted, 1, kRecords, 33); });
    threads.emplace_back([&pair] { check_pattern(*pair.initiator, 1, kRecords, 33); });
    threads.emplace_back([&pair] {
      for (int i = 0; i < kMessages; ++i)
        ASSERT_TRUE(pair.initiator->send(Encoder().u32(static_cast<std::uint32_t>(i)).bytes()));
    });
    threads.emplace_back([&pair] {
      for (int i = 0; i < kMessages; ++i) {
        const auto message = pair.accepted->receive(Deadline::in(60s), {});
        ASSERT_TRUE(message) << message.error().message;
        ASSERT_EQ(load_be32(message->data()), static_cast<std::uint32_t>(i));
      }
    });
    threads.emplace_back([&] {
      for (int cut = 0; cut < 10; ++cut) {
        const std::uint64_t goal = seen.load() + 60;  // something has passed since the last cut
        for (std::uint64_t now = seen.load(); now < goal; now = seen.load()) seen.wait(now);
        pair.relay->cut_all();
      }
    });
  }
  expect_equal_transcripts(pair, {1, 2});
  EXPECT_EQ(pair.accepted->transcript(1, Direction::kSent),
            pair.initiator->transcript(1, Direction::kReceived));
  EXPECT_GE(pair.initiator->counters().reconnects, 10U);
  EXPECT_EQ(pair.accepted->counters().duplicates_dropped, 0U);
  EXPECT_TRUE(pair.initiator->close(Deadline::in(30s), {}));
}

// The acceptor cannot be dialled: it keeps a connection to the initiator's port, through a relay as
// everything is, and calls back.
struct CalledBackPair : Pair {
  explicit CalledBackPair(SessionOptions options) : Pair(options) {
    call_backs.attach(zurich);
    EXPECT_TRUE(zurich.start({.host = "127.0.0.1", .port = 0}));
    call_backs_ = &call_backs;
    relay = std::make_unique<Relay>(net::Endpoint{"127.0.0.1", zurich.port()});
    standing = std::make_unique<net::StandingConnections>(
        server(), server_identity_,
        [this] {
          return std::vector{
              net::DialOptions{.endpoints = {relay->endpoint()},
                               .expected = client_identity_.public_key(),
                               .hello = {.purpose = "reach", .host_name = "bern", .domain = {}}}};
        },
        net::StandingConnections::Options{});
  }
  ~CalledBackPair() {
    initiator.reset();
    accepted.reset();
    standing.reset();
    stop_server();
    zurich.stop();
  }
  net::CallBacks call_backs;
  net::PeerServer zurich{client_identity_,
                         {.host_name = "zurich", .domain = {}},
                         [](const auto&, const auto&) { return Status(); }};
  std::unique_ptr<Relay> relay;
  std::unique_ptr<net::StandingConnections> standing;
};

TEST(Reconnect, ASessionWithAHostThatCallsBackOutlivesCutsOfEverything) {
  CalledBackPair pair({.retry_first = 5ms, .retry_last = 50ms});
  ASSERT_NO_FATAL_FAILURE(pair.connect());
  for (std::uint32_t cut = 1; cut <= 3; ++cut) {
    const auto id = static_cast<StreamId>(cut);
    StreamWriter writer = pair.initiator->writer(id);
    StreamReader reader = pair.accepted->reader(id);
    ASSERT_TRUE(writer.commit(1000));
    EXPECT_EQ((*reader.next(Deadline::in(30s), {}))->size(), 1000U);
    pair.relay->refuse(true);
    pair.relay->cut_all();
    ASSERT_TRUE(writer.commit(2000));
    ASSERT_TRUE(writer.finish());
    ASSERT_TRUE(pair.accepted->send(as_bytes("still there?")));
    EXPECT_EQ(reader.next(Deadline::in(200ms), {}).error().code, Code::kTimeout);
    pair.relay->refuse(false);
    const auto record = reader.next(Deadline::in(30s), {});
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ((*record)->size(), 2000U);
    EXPECT_FALSE(*reader.next(Deadline::in(30s), {}));
    EXPECT_EQ(as_text(*pair.initiator->receive(Deadline::in(30s), {})), "still there?");
  }
  expect_equal_transcripts(pair, {1, 2, 3});
  EXPECT_GE(pair.initiator->counters().reconnects, 3U);
}

TEST(Reconnect, NeitherEndSeesAnErrorWhileNothingGetsThrough) {
  RelayedPair pair({.retry_first = 5ms, .retry_last = 20ms});
  ASSERT_NO_FATAL_FAILURE(pair.connect({}));
  StreamWriter writer = pair.initiator->writer(1);
  StreamReader reader = pair.accepted->reader(1);
  pair.relay->refuse(true);
  pair.relay->cut_all();
  ASSERT_TRUE(writer.commit(1000));
  ASSERT_TRUE(pair.initiator->send(as_bytes("still there?")));
  EXPECT_EQ(reader.next(Deadline::in(300ms), {}).error().code, Code::kTimeout);
  EXPECT_FALSE(pair.initiator->failure() || pair.accepted->failure());
  pair.relay->refuse(false);
  EXPECT_EQ((*reader.next(Deadline::in(30s), {}))->size(), 1000U);
  EXPECT_EQ(as_text(*pair.accepted->receive(Deadline::in(30s), {})), "still there?");
}

TEST(Reconnect, AfterItsTimeEveryCallFailsAsUnavailableAtBothEnds) {
  RelayedPair pair({.reconnect_for = 200ms, .retry_first = 5ms});
  ASSERT_NO_FATAL_FAILURE(pair.connect({}));
  pair.relay->refuse(true);
  pair.relay->cut_all();
  for (Session* session : {pair.initiator.get(), pair.accepted.get()}) {
    EXPECT_EQ(session->receive(Deadline::in(30s), {}).error().code, Code::kUnavailable);
    EXPECT_EQ(session->send(as_bytes("x")).error().code, Code::kUnavailable);
    StreamWriter writer = session->writer(1);
    EXPECT_EQ(writer.commit(1).error().code, Code::kUnavailable);
    EXPECT_EQ(session->reader(1).next(Deadline::in(30s), {}).error().code, Code::kUnavailable);
  }
}

TEST(Reconnect, ASessionThatTheOtherHostHasLostFailsAtOnce) {
  RelayedPair pair({.retry_first = 5ms});
  ASSERT_NO_FATAL_FAILURE(pair.connect({}));
  pair.relay->refuse(true);
  pair.relay->cut_all();
  pair.accepted.reset();
  pair.relay->refuse(false);
  EXPECT_EQ(pair.initiator->receive(Deadline::in(30s), {}).error().code, Code::kUnavailable);
}

TEST(Reconnect, AStalledPathIsNoticedByTheMissingSignOfLife) {
  RelayedPair pair({.dead_after = 150ms, .retry_first = 5ms});
  std::atomic<bool> swallow = false;
  ASSERT_NO_FATAL_FAILURE(pair.connect([&swallow](Unit& unit) {
    // A path that takes bytes and delivers nothing, for connections that exist; new ones get through.
    if (swallow && unit.connection < 3) unit.out.clear();
  }));
  StreamWriter writer = pair.initiator->writer(1);
  StreamReader reader = pair.accepted->reader(1);
  ASSERT_TRUE(writer.commit(10));
  ASSERT_TRUE(reader.next(Deadline::in(30s), {}));
  swallow = true;
  ASSERT_TRUE(writer.commit(20));
  EXPECT_EQ((*reader.next(Deadline::in(30s), {}))->size(), 20U);
  EXPECT_GE(pair.initiator->counters().reconnects, 1U);
}

TEST(Session, AnotherHostsKeyGetsNoSession) {
  Pair pair;
  const crypto::Identity own = crypto::Identity::generate();
  const auto other = pair.dial(crypto::Identity::generate().public_key(), own);
  EXPECT_EQ(other.error().code, Code::kUnauthorized);
  EXPECT_EQ(pair.sessions(), 0U);
}

class BackPressure : public ::testing::TestWithParam<std::size_t> {};

TEST_P(BackPressure, BoundsWhatIsSentAheadOfTheReaderWhateverTheRecordsSize) {
  const std::size_t bytes = GetParam();
  constexpr std::size_t kWindow = 2 * 1024 * 1024;
  Pair pair({.window_bytes = kWindow});
  ASSERT_NO_FATAL_FAILURE(pair.connect());
  StreamWriter writer = pair.initiator->writer(1);
  std::size_t committed = 0;
  Status status;
  while ((status = writer.commit(bytes, Deadline::in(100ms)))) ++committed;
  EXPECT_EQ(status.error().code, Code::kTimeout);
  EXPECT_LE(committed * (bytes + 256), kWindow);
  // Another stream of the same connection is not held up by it.
  StreamWriter other = pair.initiator->writer(3);
  StreamReader other_reader = pair.accepted->reader(3);
  ASSERT_TRUE(other.commit(5));
  EXPECT_EQ((*other_reader.next(Deadline::in(30s), {}))->size(), 5U);
  // The commit that timed out sealed nothing: it may be made again, and nothing is missing or twice.
  std::jthread rest([&] {
    ASSERT_TRUE(writer.commit(bytes));
    ASSERT_TRUE(writer.finish());
    ASSERT_TRUE(writer.flush(Deadline::in(30s), {}));
  });
  StreamReader reader = pair.accepted->reader(1);
  std::size_t records = 0;
  while (true) {
    const auto record = reader.next(Deadline::in(30s), {});
    ASSERT_TRUE(record) << record.error().message;
    if (!*record) break;
    ++records;
  }
  EXPECT_EQ(records, committed + 1);
}
INSTANTIATE_TEST_SUITE_P(Sizes, BackPressure, ::testing::Values(1, 4096, 70'000, kRecordBytesMax));

TEST(Session, KeepsToItsBandwidthAndCanBeToldAnother) {
  constexpr std::size_t kRecords = 50;
  Pair pair;
  ASSERT_NO_FATAL_FAILURE(pair.connect());
  pair.initiator->set_bandwidth(20'000'000);
  const auto begin = std::chrono::steady_clock::now();
  {
    std::jthread writing([&] { send_pattern(*pair.initiator, 1, kRecords, 200'000); });
    check_pattern(*pair.accepted, 1, kRecords, 200'000);
  }
  // 10 MB at 20 MB/s; the first record goes at once and a late one may catch up 20 ms.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 400ms);
  pair.initiator->set_bandwidth(1'000);  // a record of 200 kB then takes 200 s
  StreamWriter writer = pair.initiator->writer(3);
  StreamReader reader = pair.accepted->reader(3);
  ASSERT_TRUE(writer.commit(200'000));
  ASSERT_TRUE(writer.commit(200'000));
  ASSERT_TRUE(reader.next(Deadline::in(30s), {}));
  EXPECT_EQ(reader.next(Deadline::in(50ms), {}).error().code, Code::kTimeout);
  pair.initiator->set_bandwidth(0);
  EXPECT_TRUE(reader.next(Deadline::in(30s), {}));
}

TEST(Session, StopAndAbortWakeEveryCall) {
  Pair pair({.window_bytes = kSealedBytesMax});
  ASSERT_NO_FATAL_FAILURE(pair.connect());
  StreamWriter writer = pair.initiator->writer(1);
  ASSERT_TRUE(writer.commit(kRecordBytesMax));
  StopSource source;
  const Stop stop = source.token();
  const auto blocked = [&](const Stop& with) {
    std::vector<std::future<Code>> calls;
    calls.push_back(std::async(std::launch::async, [&writer, with] {
      return writer.commit(kRecordBytesMax, Deadline::never(), with).error().code;
    }));
    calls.push_back(std::async(std::launch::async, [&pair, with] {
      return pair.initiator->receive(Deadline::never(), with).error().code;
    }));
    return calls;
  };
  auto stopped = blocked(stop);
  auto reading = pair.initiator->reader(9);
  auto reader =
      std::async(std::launch::async, [&] { return reading.next(Deadline::never(), stop).error().code; });
  source.stop();
  for (auto& call : stopped) EXPECT_EQ(call.get(), Code::kCancelled);
  EXPECT_EQ(reader.get(), Code::kCancelled);
  auto aborted = blocked({});
  pair.initiator->abort({Code::kRefused, "enough"});
  for (auto& call : aborted) EXPECT_EQ(call.get(), Code::kRefused);
}

TEST(Session, AHostThatShutsDownEndsItsSessionsAndTellsTheOthers) {
  Pair pair;
  ASSERT_NO_FATAL_FAILURE(pair.connect());
  pair.stop_server();
  EXPECT_EQ(pair.accepted->receive(Deadline::in(30s), {}).error().code, Code::kCancelled);
  EXPECT_FALSE(pair.initiator->receive(Deadline::in(30s), {}));
}

TEST(Session, AfterTheOtherSidesCloseCallsSayClosed) {
  Pair pair({.window_bytes = kSealedBytesMax});
  ASSERT_NO_FATAL_FAILURE(pair.connect());
  ASSERT_TRUE(pair.initiator->send(as_bytes("last words")));
  std::jthread closing([&] { EXPECT_TRUE(pair.initiator->close(Deadline::in(30s), {})); });
  EXPECT_EQ(as_text(*pair.accepted->receive(Deadline::in(30s), {})), "last words");
  EXPECT_EQ(pair.accepted->receive(Deadline::in(30s), {}).error().code, Code::kClosed);
  StreamWriter writer = pair.accepted->writer(1);
  static_cast<void>(writer.commit(kRecordBytesMax, Deadline::in(30s)));
  EXPECT_EQ(writer.commit(kRecordBytesMax, Deadline::in(30s)).error().code, Code::kClosed);
  EXPECT_EQ(pair.accepted->reader(1).next(Deadline::in(30s), {}).error().code, Code::kClosed);
}

TEST(SessionDeathTest, ASecondWriterOfAStreamIsAProgrammersError) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Pair pair;
        pair.connect();
        const StreamWriter first = pair.initiator->writer(1);
        const StreamWriter second = pair.initiator->writer(1);
      },
      "claim");
}

}  // namespace
}  // namespace sealift::transport::testing
