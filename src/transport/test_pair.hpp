#pragma once

// For tests: two hosts on loopback with a session between them, through a relay if wanted, and content that
// can be checked.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "transport/acceptor.hpp"

namespace sealift::transport::testing {

using namespace std::chrono_literals;

// Two hosts on loopback: one listens, the other one dials.
class Pair {
 public:
  explicit Pair(SessionOptions options = {}) : options_(options) {
    acceptor_ = std::make_unique<Acceptor>(
        options, [this](std::unique_ptr<Session> session, const net::Hello&, const Stop&) {
          {
            auto state = accepted_.lock();
            *state = std::move(session);
          }
          accepted_.notify_all();
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
  void connect(std::optional<net::Endpoint> through = std::nullopt) {
    via_ = through;
    auto made = dial(server_key(), client_identity_);
    ASSERT_TRUE(made) << made.error().message;
    initiator = std::move(*made);
    auto state = accepted_.lock();
    state.wait([](const auto& session) { return session != nullptr; });
    accepted = std::move(*state);
  }
  Result<std::unique_ptr<Session>> dial(const crypto::PublicKey& expected, const crypto::Identity& own) {
    std::vector<net::Endpoint> endpoints;  // none: the listener takes no connections, it calls back
    if (call_backs_ == nullptr) endpoints = {via_.value_or(endpoint())};
    const net::DialOptions dial{.endpoints = std::move(endpoints),
                                .expected = expected,
                                .hello = {.purpose = "move", .host_name = "zurich", .domain = {}},
                                .call_backs = call_backs_};
    return Session::initiate(std::make_unique<EndpointDialer>(dial, own.clone()), options_, Deadline::in(10s),
                             {});
  }
  const crypto::PublicKey& server_key() const { return server_identity_.public_key(); }
  net::Endpoint endpoint() const { return {"127.0.0.1", server_.port()}; }
  std::size_t sessions() const { return acceptor_->sessions(); }
  void stop_server() { server_.stop(); }

  std::unique_ptr<Session> initiator;
  std::unique_ptr<Session> accepted;

 protected:
  net::CallBacks* call_backs_ = nullptr;
  crypto::Identity server_identity_ = crypto::Identity::generate();
  crypto::Identity client_identity_ = crypto::Identity::generate();

 private:
  SessionOptions options_;
  std::optional<net::Endpoint> via_;
  Guarded<std::unique_ptr<Session>> accepted_;
  std::unique_ptr<Acceptor> acceptor_;
  net::PeerServer server_{server_identity_,
                          {.host_name = "bern", .domain = {}},
                          [](const auto&, const auto&) { return Status(); }};

 protected:
  net::PeerServer& server() { return server_; }
};

inline void send_pattern(Session& session, StreamId id, std::size_t records, std::size_t bytes) {
  StreamWriter writer = session.writer(id);
  for (std::size_t i = 0; i < records; ++i) {
    SeededRandom(id * 1000003U + i).fill(writer.buffer().first(std::min<std::size_t>(bytes, 64)));
    ASSERT_TRUE(writer.commit(bytes));
  }
  ASSERT_TRUE(writer.finish());
}

inline void check_pattern(Session& session, StreamId id, std::size_t records, std::size_t bytes) {
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

}  // namespace sealift::transport::testing
