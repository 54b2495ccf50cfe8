#include <thread>

#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "transport/acceptor.hpp"

namespace sealift::transport {
namespace {

using namespace std::chrono_literals;

// Two hosts on loopback: one listens, the other one dials.
class Pair {
 public:
  explicit Pair(SessionOptions options = {}) : options_(options) {
    acceptor_ = std::make_unique<Acceptor>(
        options, [this](std::unique_ptr<Session> session, const net::Hello&, const Stop& stop) {
          {
            auto state = accepted_.lock();
            *state = std::move(session);
          }
          accepted_.notify_all();
          while (!stop.sleep(20ms)) {
          }
        });
    server_.on("move", acceptor_->control_handler());
    server_.on_bulk(acceptor_->bulk_handler());
    const Status started = server_.start({.host = "127.0.0.1", .port = 0});
    EXPECT_TRUE(started);
  }
  ~Pair() {
    initiator.reset();
    accepted.reset();
    server_.stop();
  }
  void connect(std::uint16_t port = 0) {
    const net::DialOptions dial{
        .endpoints = {{.host = "127.0.0.1", .port = port != 0 ? port : server_.port()}},
        .expected = server_identity_.public_key(),
        .hello = {.purpose = "move", .host_name = "zurich", .domain = {}}};
    auto made = Session::initiate(std::make_unique<EndpointDialer>(dial, client_identity_.clone()), options_,
                                  Deadline::in(5s), {});
    ASSERT_TRUE(made) << made.error().message;
    initiator = std::move(*made);
    auto state = accepted_.lock();
    state.wait([](const auto& session) { return session != nullptr; });
    accepted = std::move(*state);
  }
  std::uint16_t port() const { return server_.port(); }

  std::unique_ptr<Session> initiator;
  std::unique_ptr<Session> accepted;

 private:
  SessionOptions options_;
  crypto::Identity server_identity_ = crypto::Identity::generate();
  crypto::Identity client_identity_ = crypto::Identity::generate();
  Guarded<std::unique_ptr<Session>> accepted_;
  std::unique_ptr<Acceptor> acceptor_;
  net::PeerServer server_{server_identity_,
                          {.host_name = "bern", .domain = {}},
                          [](const auto&, const auto&) { return Status(); }};
};

void send_pattern(Session& session, StreamId id, std::size_t records, std::size_t bytes) {
  StreamWriter writer = session.writer(id);
  for (std::size_t i = 0; i < records; ++i) {
    SeededRandom(id * 1000003U + i).fill(writer.buffer().first(std::min<std::size_t>(bytes, 64)));
    ASSERT_TRUE(writer.commit(bytes));
  }
  ASSERT_TRUE(writer.finish());
}

void check_pattern(Session& session, StreamId id, std::size_t records, std::size_t bytes) {
  StreamReader reader = session.reader(id);
  for (std::size_t i = 0; i < records; ++i) {
    const auto record = reader.next(Deadline::in(30s), {});
    ASSERT_TRUE(record) << record.error().message;
    ASSERT_TRUE(*record) << "stream " << id << " ended at record " << i;
    ASSERT_EQ((*record)->size(), bytes);
    Bytes expected(std::min<std::size_t>(bytes, 64));
    SeededRandom(id * 1000003U + i).fill(expected);
    ASSERT_TRUE(std::ranges::equal((*record)->first(expected.size()), expected));
  }
  const auto end = reader.next(Deadline::in(30s), {});
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
}

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
}  // namespace sealift::transport
