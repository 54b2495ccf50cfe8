#include "net/peer.hpp"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "net/rpc.hpp"

namespace sealift::net {
namespace {

using crypto::Identity;

const Deadline kSoon = Deadline::in(Milliseconds{60'000});

PeerServerOptions named(std::string name) {
  return {.host_name = std::move(name), .domain = "d1"};
}

DialOptions to(const PeerServer& server, std::optional<crypto::PublicKey> key, std::string purpose) {
  return {.endpoints = {{"127.0.0.1", server.port()}},
          .expected = key,
          .hello = {.purpose = std::move(purpose), .host_name = "zurich", .domain = ""}};
}

struct TlsPair {
  std::optional<TlsStream> client, server;
};

TlsPair handshake(const Identity& client, const Identity& server) {
  auto listener = TcpListener::listen({"127.0.0.1", 0});
  TlsPair pair;
  std::jthread accepting([&] {
    auto socket = listener->accept(kSoon, {});
    auto stream = accept_tls(std::move(*socket), server, kSoon, {});
    if (stream) pair.server.emplace(std::move(*stream));
  });
  auto stream = connect_tls({"127.0.0.1", listener->port()}, client, server.public_key(), kSoon, {});
  if (stream) pair.client.emplace(std::move(*stream));
  accepting.join();
  return pair;
}

TEST(Tls, EachSideLearnsTheOthersKeyAndBothExportTheSameSecret) {
  const Identity a = Identity::generate();
  const Identity b = Identity::generate();
  auto pair = handshake(a, b);
  ASSERT_TRUE(pair.client && pair.server);
  EXPECT_EQ(pair.client->peer_key(), b.public_key());
  EXPECT_EQ(pair.server->peer_key(), a.public_key());
  const auto one = pair.client->export_key("EXPORTER-test", as_bytes("c"), 32);
  EXPECT_EQ(hex(one.reveal()), hex(pair.server->export_key("EXPORTER-test", as_bytes("c"), 32).reveal()));
  EXPECT_NE(hex(one.reveal()), hex(pair.server->export_key("EXPORTER-test", as_bytes("d"), 32).reveal()));
}

TEST(Tls, CarriesALotBothWaysAtOnceAndAnAuthenticatedEnd) {
  auto pair = handshake(Identity::generate(), Identity::generate());
  ASSERT_TRUE(pair.client && pair.server);
  constexpr std::size_t kBytes = 8 << 20;
  const auto pump = [](TlsStream& stream, std::uint8_t value) {
    return std::jthread([&stream, value] {
      ASSERT_TRUE(stream.write_all(Bytes(kBytes, value), kSoon, {}));
      stream.shutdown_write();
    });
  };
  const auto drain = [](TlsStream& stream, std::uint8_t value) {
    Bytes got(kBytes);
    ASSERT_TRUE(read_exact(stream, got, kSoon, {}));
    EXPECT_EQ(got, Bytes(kBytes, value));
  };
  const std::jthread up = pump(*pair.client, 1);
  const std::jthread down = pump(*pair.server, 2);
  std::jthread reader([&] { drain(*pair.server, 1); });
  drain(*pair.client, 2);
  reader.join();
  Bytes more(1);
  EXPECT_EQ(*pair.client->read_some(more, kSoon, {}), 0U);
}

TEST(Tls, ACutIsNeverAnEnd) {
  auto pair = handshake(Identity::generate(), Identity::generate());
  ASSERT_TRUE(pair.client && pair.server);
  pair.server.reset();  // without close_notify
  Bytes more(1);
  EXPECT_EQ(pair.client->read_some(more, kSoon, {}).error().code, Code::kUnavailable);
}

TEST(Tls, AnotherHostsKeyIsRefused) {
  auto listener = TcpListener::listen({"127.0.0.1", 0});
  const Identity server = Identity::generate();
  std::jthread accepting([&] {
    auto socket = listener->accept(kSoon, {});
    static_cast<void>(accept_tls(std::move(*socket), server, kSoon, {}));
  });
  const Endpoint there{"127.0.0.1", listener->port()};
  const auto stream = connect_tls(there, Identity::generate(), Identity::generate().public_key(), kSoon, {});
  EXPECT_EQ(stream.error().code, Code::kUnauthorized);
}

TEST(Tls, AHandshakeThatStallsEndsAtItsDeadline) {
  auto listener = TcpListener::listen({"127.0.0.1", 0});
  auto silent = TcpStream::connect({"127.0.0.1", listener->port()}, kSoon, {});
  auto socket = listener->accept(kSoon, {});
  const auto stream =
      accept_tls(std::move(*socket), Identity::generate(), Deadline::in(Milliseconds{20}), {});
  EXPECT_EQ(stream.error().code, Code::kTimeout);
}

TEST(PeerServer, GivesAConnectionToItsPurposesHandlerOnly) {
  const Identity server_key = Identity::generate();
  const Identity client_key = Identity::generate();
  PeerServer server(server_key, named("bern"), [](const auto&, const Hello&) -> Status { return {}; });
  std::promise<std::pair<crypto::PublicKey, std::string>> seen;
  server.on("move", [&](PeerConnection connection, const Stop&) {
    seen.set_value({connection.key, connection.hello.host_name});
  });
  ASSERT_TRUE(server.start({"127.0.0.1", 0}));
  auto connection = dial_peer(to(server, server_key.public_key(), "move"), client_key, kSoon, {});
  ASSERT_TRUE(connection) << connection.error().message;
  EXPECT_EQ(connection->hello.host_name, "bern");
  EXPECT_EQ(connection->hello.domain, "d1");
  EXPECT_EQ(seen.get_future().get(), std::pair(client_key.public_key(), std::string("zurich")));
  const auto other = dial_peer(to(server, server_key.public_key(), "golf"), client_key, kSoon, {});
  EXPECT_EQ(other.error().code, Code::kUnsupported);
}

TEST(PeerServer, RefusesWithTheReasonBeforeAnyHandler) {
  const Identity server_key = Identity::generate();
  PeerServer server(server_key, named("bern"), [](const auto&, const Hello& hello) -> Status {
    return fail(Code::kUnauthorized, "{} is no member", hello.host_name);
  });
  server.on("move", [](PeerConnection, const Stop&) { ADD_FAILURE() << "handler reached"; });
  ASSERT_TRUE(server.start({"127.0.0.1", 0}));
  const auto refused =
      dial_peer(to(server, server_key.public_key(), "move"), Identity::generate(), kSoon, {});
  EXPECT_EQ(refused.error().code, Code::kUnauthorized);
  EXPECT_NE(refused.error().message.find("zurich is no member"), std::string::npos);
}

TEST(PeerServer, AVersionMismatchNamesBoth) {
  const Identity server_key = Identity::generate();
  PeerServer server(server_key, named("bern"), [](const auto&, const Hello&) -> Status { return {}; });
  ASSERT_TRUE(server.start({"127.0.0.1", 0}));
  DialOptions options = to(server, server_key.public_key(), "move");
  options.hello.versions = {7};
  const auto refused = dial_peer(options, Identity::generate(), kSoon, {});
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
  EXPECT_NE(refused.error().message.find("zurich speaks 7"), std::string::npos) << refused.error().message;
}

TEST(PeerServer, SilentConnectionsAreBoundedAndEndAtTheHandshakesDeadline) {
  PeerServerOptions options = named("bern");
  options.limits.unauthenticated_max = 2;
  options.handshake_deadline = Milliseconds{50};
  PeerServer server(Identity::generate(), options, [](const auto&, const Hello&) -> Status { return {}; });
  ASSERT_TRUE(server.start({"127.0.0.1", 0}));
  std::vector<TcpStream> silent;
  for (int i = 0; i < 10; ++i) {
    silent.push_back(std::move(*TcpStream::connect({"127.0.0.1", server.port()}, kSoon, {})));
    EXPECT_LE(server.connections(), 2U);
  }
  for (TcpStream& stream : silent) {  // every one of them is closed by the server
    Bytes byte(1);
    const auto got = stream.read_some(byte, kSoon, {});
    EXPECT_TRUE((got && *got == 0) || (!got && got.error().code == Code::kUnavailable));
  }
}

TEST(PeerServer, AMemberIsServedWhileOneAddressHoldsAllThatItMay) {
  PeerServerOptions options = named("bern");
  options.limits.unauthenticated_per_source = 2;
  const Identity server_key = Identity::generate();
  PeerServer server(server_key, options, [](const auto&, const Hello&) -> Status { return {}; });
  server.on("move", [](PeerConnection, const Stop&) {});
  ASSERT_TRUE(server.start({"::", 0}));
  std::vector<TcpStream> silent;
  for (int i = 0; i < 5; ++i)
    silent.push_back(std::move(*TcpStream::connect({"127.0.0.1", server.port()}, kSoon, {})));
  Bytes byte(1);
  for (std::size_t i = 2; i < silent.size(); ++i) {
    const auto got = silent[i].read_some(byte, kSoon, {});
    EXPECT_TRUE(got ? *got == 0 : got.error().code == Code::kUnavailable) << "not closed at once";
  }
  DialOptions member = to(server, server_key.public_key(), "move");
  member.endpoints = {{"127.0.0.2", server.port()}};  // the same machine, but the peer's address is 127.0.0.1
  EXPECT_FALSE(dial_peer(member, Identity::generate(), Deadline::in(Milliseconds{2'000}), {}));
  member.endpoints = {{"::1", server.port()}};
  const auto served = dial_peer(member, Identity::generate(), kSoon, {});
  EXPECT_TRUE(served) << served.error().message;
}

TEST(PeerServer, RawBulkConnectionsGoToTheBulkHandlerAndOtherBytesNowhere) {
  PeerServer server(Identity::generate(), named("bern"),
                    [](const auto&, const Hello&) -> Status { return {}; });
  server.on_bulk([](TcpStream stream, const std::function<void()>& authenticated, const Stop& stop) {
    Bytes got(4);
    ASSERT_TRUE(read_exact(stream, got, kSoon, stop));
    authenticated();
    ASSERT_TRUE(stream.write_all(got, kSoon, stop));
  });
  ASSERT_TRUE(server.start({"127.0.0.1", 0}));
  auto bulk = TcpStream::connect({"127.0.0.1", server.port()}, kSoon, {});
  ASSERT_TRUE(bulk->write_all(as_bytes("BULK"), kSoon, {}));
  Bytes back(4);
  ASSERT_TRUE(read_exact(*bulk, back, kSoon, {}));
  EXPECT_EQ(as_text(back), "BULK");
  auto plain = TcpStream::connect({"127.0.0.1", server.port()}, kSoon, {});
  ASSERT_TRUE(plain->write_all(as_bytes("GET / HTTP/1.1\r\n\r\n"), kSoon, {}));
  const auto got = plain->read_some(back, kSoon, {});
  EXPECT_TRUE(!got || *got == 0);
}

TEST(PeerServer, StoppingEndsHandlersAndJoinsThem) {
  const Identity server_key = Identity::generate();
  std::promise<void> in_handler;
  std::atomic<bool> ended = false;
  {
    PeerServer server(server_key, named("bern"), [](const auto&, const Hello&) -> Status { return {}; });
    server.on("move", [&](PeerConnection connection, const Stop& stop) {
      in_handler.set_value();
      Bytes byte(1);
      EXPECT_EQ(connection.stream.read_some(byte, Deadline::never(), stop).error().code, Code::kCancelled);
      ended = true;
    });
    ASSERT_TRUE(server.start({"127.0.0.1", 0}));
    auto connection = dial_peer(to(server, server_key.public_key(), "move"), Identity::generate(), kSoon, {});
    ASSERT_TRUE(connection);
    in_handler.get_future().wait();
    server.stop();
  }
  EXPECT_TRUE(ended);
}

TEST(Rpc, AnswersErrorsAndParallelCallsAndRedialsAfterALoss) {
  const Identity server_key = Identity::generate();
  RpcService service;
  service.method("add", [](const auto&, const Json& params, const Stop&) -> Result<Json> {
    return Json{{"sum", params.at("a").get<int>() + params.at("b").get<int>()}};
  });
  service.method("refuse", [](const auto&, const Json&, const Stop&) -> Result<Json> {
    return fail(Code::kConflict, "taken");
  });
  service.method("long", [](const auto&, const Json&, const Stop&) -> Result<Json> {
    return Json(std::string(kRpcBodyBytesMax, 'x'));
  });
  auto server = std::make_unique<PeerServer>(server_key, named("bern"),
                                             [](const auto&, const Hello&) -> Status { return {}; });
  server->on("ledger", service.handler());
  ASSERT_TRUE(server->start({"127.0.0.1", 0}));
  const std::uint16_t port = server->port();
  RpcClient client(to(*server, server_key.public_key(), "ledger"), Identity::generate(), 2);
  EXPECT_EQ(client.call("add", {{"a", 1}, {"b", 2}}, kSoon, {})->at("sum"), 3);
  EXPECT_EQ(client.call("refuse", {}, kSoon, {}).error().code, Code::kConflict);
  EXPECT_EQ(client.call("nothing", {}, kSoon, {}).error().code, Code::kUnsupported);
  EXPECT_EQ(client.call("long", {}, kSoon, {}).error().code, Code::kExhausted);
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 6; ++i) {
      callers.emplace_back(
          [&client, i] { EXPECT_EQ(client.call("add", {{"a", i}, {"b", i}}, kSoon, {})->at("sum"), 2 * i); });
    }
  }
  server.reset();
  EXPECT_EQ(client.call("add", {{"a", 1}, {"b", 2}}, kSoon, {}).error().code, Code::kUnavailable);
  PeerServer again(server_key, named("bern"), [](const auto&, const Hello&) -> Status { return {}; });
  again.on("ledger", service.handler());
  ASSERT_TRUE(again.start({"127.0.0.1", port}));
  EXPECT_TRUE(client.call("add", {{"a", 1}, {"b", 2}}, kSoon, {}));
}

}  // namespace
}  // namespace sealift::net
