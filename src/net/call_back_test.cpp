#include "net/call_back.hpp"

#include <gtest/gtest.h>

#include <future>

#include "net/standing.hpp"

namespace sealift::net {
namespace {

using namespace std::chrono_literals;
using crypto::Identity;

Deadline soon() {
  return Deadline::in(Milliseconds{30'000});
}

// A host with its one port. Everybody is a member; purpose "move" echoes the caller's name.
struct TestHost {
  explicit TestHost(std::string host_name, CallBacks::Options options = {})
      : name(std::move(host_name)), call_backs(options) {
    server.on("move", [this](PeerConnection connection, const Stop& stop) {
      ++moves;
      const std::string& text = connection.hello.host_name;
      static_cast<void>(send_frame(connection.stream, FrameClass::kSession, 1, as_bytes(text), soon(), stop));
    });
    server.on_bulk([](TcpStream stream, const std::function<void()>&, const Stop& stop) {
      static_cast<void>(stream.write_all(as_bytes("bulk"), soon(), stop));
    });
    call_backs.attach(server);
    const Status started = server.start({"127.0.0.1", 0});
    EXPECT_TRUE(started);
  }
  Endpoint endpoint() const { return {"127.0.0.1", server.port()}; }
  const crypto::PublicKey& key() const { return identity.public_key(); }
  DialOptions to(const TestHost& other, std::vector<Endpoint> endpoints, std::string purpose = "move") {
    return {.endpoints = std::move(endpoints),
            .expected = other.key(),
            .hello = {.purpose = std::move(purpose), .host_name = name, .domain = ""},
            .call_backs = &call_backs};
  }
  std::unique_ptr<StandingConnections> stand(const TestHost& other, std::optional<Endpoint> at = {}) {
    return std::make_unique<StandingConnections>(
        server, identity,
        [this, &other, at] { return std::vector{to(other, {at.value_or(other.endpoint())})}; },
        StandingConnections::Options{});
  }
  // A member that asks what to call, by hand.
  RpcClient asking(const TestHost& other) {
    return RpcClient(to(other, {other.endpoint()}, std::string(kReachPurpose)), identity, 1);
  }

  std::string name;
  Identity identity = Identity::generate();
  std::atomic<int> moves = 0;
  CallBacks call_backs;
  PeerServer server{
      identity, {.host_name = name, .domain = "d1"}, [](const auto&, const Hello&) -> Status { return {}; }};
};

Endpoint closed_port() {
  const auto listener = TcpListener::listen({"127.0.0.1", 0});
  return {"127.0.0.1", listener->port()};
}

std::vector<CallToken> ask(RpcClient& client, const ReachWait& said = {}) {
  const auto answer = client.call(kReachWait, to_json(said), soon(), {});
  EXPECT_TRUE(answer) << answer.error().message;
  return answer ? parse_calls(*answer).value_or(std::vector<CallToken>()) : std::vector<CallToken>();
}

TcpStream call_with(const TestHost& host, const CallToken& token) {
  auto stream = TcpStream::connect(host.endpoint(), soon(), {});
  EXPECT_TRUE(stream && stream->write_all(encode_call_preamble(token), soon(), {}));
  return std::move(*stream);
}

bool closed_by_server(TcpStream& stream) {
  Bytes byte(1);
  const auto got = stream.read_some(byte, soon(), {});
  return got ? *got == 0 : got.error().code == Code::kUnavailable;
}

TEST(CallBack, AHostWithoutAnAddressIsReachedAsIfItHadBeenDialled) {
  TestHost zurich("zurich");
  TestHost bern("bern");
  const auto standing = bern.stand(zurich);
  const DialOptions options = zurich.to(bern, {});
  auto connection = dial_peer(options, zurich.identity, soon(), {});
  ASSERT_TRUE(connection) << connection.error().message;
  EXPECT_EQ(connection->key, bern.key());
  EXPECT_EQ(connection->hello.host_name, "bern");
  EXPECT_FALSE(connection->dialled);
  EXPECT_EQ(as_text(receive_frame(connection->stream, 64, soon(), {})->body), "zurich");
  auto raw = dial_raw(options, connection->dialled, soon(), {});
  ASSERT_TRUE(raw) << raw.error().message;
  ASSERT_TRUE(raw->write_all(as_bytes("BULK"), soon(), {}));
  Bytes answer(4);
  ASSERT_TRUE(read_exact(*raw, answer, soon(), {}));
  EXPECT_EQ(as_text(answer), "bulk");
  EXPECT_EQ(zurich.call_backs.waiting(), 0U);
}

TEST(CallBack, AddressesComeFirstAndThoseThatFailedAreTriedLastForAWhile) {
  TestHost zurich("zurich");
  TestHost bern("bern");
  auto direct = dial_peer(zurich.to(bern, {bern.endpoint()}), zurich.identity, soon(), {});
  ASSERT_TRUE(direct);
  EXPECT_EQ(direct->dialled, bern.endpoint());
  const auto standing = bern.stand(zurich);
  const DialOptions options = zurich.to(bern, {closed_port()});
  ASSERT_TRUE(dial_peer(options, zurich.identity, soon(), {}));
  EXPECT_TRUE(zurich.call_backs.addresses_in_vain(bern.key()));
  ASSERT_TRUE(dial_peer(zurich.to(bern, {bern.endpoint()}), zurich.identity, soon(), {}));
  EXPECT_TRUE(zurich.call_backs.addresses_in_vain(bern.key()))
      << "called first, as the addresses were in vain";
}

TEST(CallBack, AnotherMachineAtItsAddressIsNotTakenForIt) {
  TestHost zurich("zurich");
  TestHost bern("bern");
  TestHost wien("wien");
  const auto standing = bern.stand(zurich);
  auto connection = dial_peer(zurich.to(bern, {wien.endpoint()}), zurich.identity, soon(), {});
  ASSERT_TRUE(connection) << connection.error().message;
  EXPECT_EQ(connection->key, bern.key());
  EXPECT_EQ(wien.moves, 0);
}

TEST(CallBack, EveryWayThatWasTriedIsNamed) {
  TestHost zurich("zurich", {.line_within = 50ms});
  TestHost bern("bern");
  const Endpoint nobody = closed_port();
  const auto lost = dial_peer(zurich.to(bern, {nobody}), zurich.identity, soon(), {});
  EXPECT_EQ(lost.error().code, Code::kUnavailable);
  EXPECT_NE(lost.error().message.find(nobody.text()), std::string::npos) << lost.error().message;
  EXPECT_NE(lost.error().message.find("call back: it keeps no connection to this host"), std::string::npos)
      << lost.error().message;
  const auto hidden = dial_peer(zurich.to(bern, {}), zurich.identity, soon(), {});
  EXPECT_NE(hidden.error().message.find("it takes no connections"), std::string::npos)
      << hidden.error().message;
}

TEST(CallBack, AWrongTokenEndsNobodysWait) {
  TestHost zurich("zurich");
  TestHost bern("bern");
  TcpStream guess = call_with(zurich, CallToken{7});
  EXPECT_TRUE(closed_by_server(guess));
  auto waiting =
      std::async(std::launch::async, [&] { return zurich.call_backs.call(bern.key(), soon(), {}); });
  RpcClient client = bern.asking(zurich);
  const auto calls = ask(client);
  ASSERT_EQ(calls.size(), 1U);
  CallToken wrong = calls.front();
  wrong.back() ^= 1;
  TcpStream thief = call_with(zurich, wrong);
  EXPECT_TRUE(closed_by_server(thief));
  TcpStream right = call_with(zurich, calls.front());
  EXPECT_TRUE(waiting.get());
}

TEST(CallBack, ATokenCountsOnceAndOnlyWhileItIsWaitedFor) {
  TestHost zurich("zurich", {.call_within = 300ms});
  TestHost bern("bern");
  RpcClient client = bern.asking(zurich);
  auto first = std::async(std::launch::async, [&] { return zurich.call_backs.call(bern.key(), soon(), {}); });
  const auto calls = ask(client);
  ASSERT_EQ(calls.size(), 1U);
  TcpStream right = call_with(zurich, calls.front());
  EXPECT_TRUE(first.get());
  TcpStream again = call_with(zurich, calls.front());
  EXPECT_TRUE(closed_by_server(again)) << "used";
  auto second =
      std::async(std::launch::async, [&] { return zurich.call_backs.call(bern.key(), soon(), {}); });
  const auto later = ask(client, {.heard = calls, .failed = {}});
  ASSERT_EQ(later.size(), 1U);
  EXPECT_NE(later, calls);
  EXPECT_EQ(second.get().error().code, Code::kUnavailable);
  TcpStream late = call_with(zurich, later.front());
  EXPECT_TRUE(closed_by_server(late)) << "expired";
  EXPECT_EQ(zurich.call_backs.waiting(), 0U);
}

TEST(CallBack, WhoStealsATokenDoesNotHoldTheKey) {
  TestHost zurich("zurich");
  TestHost bern("bern");
  TestHost mallory("mallory");
  RpcClient client = bern.asking(zurich);
  auto dialling = std::async(std::launch::async,
                             [&] { return dial_peer(zurich.to(bern, {}), zurich.identity, soon(), {}); });
  const auto calls = ask(client);
  ASSERT_EQ(calls.size(), 1U);
  const Status begun = mallory.server.serve_outgoing({.to = zurich.endpoint(),
                                                      .preamble = encode_call_preamble(calls.front()),
                                                      .peer = zurich.key(),
                                                      .failed = [](Error) {}});
  ASSERT_TRUE(begun);
  const auto refused = dialling.get();
  EXPECT_EQ(refused.error().code, Code::kUnauthorized);
  EXPECT_NE(refused.error().message.find("it is another host"), std::string::npos);
  EXPECT_EQ(mallory.moves, 0);
}

TEST(CallBack, AMemberLearnsAndEndsOnlyItsOwnCalls) {
  TestHost zurich("zurich", {.hold = 50ms});
  TestHost bern("bern");
  TestHost mallory("mallory");
  auto waiting =
      std::async(std::launch::async, [&] { return zurich.call_backs.call(bern.key(), soon(), {}); });
  RpcClient client = bern.asking(zurich);
  const auto calls = ask(client);
  ASSERT_EQ(calls.size(), 1U);
  RpcClient other = mallory.asking(zurich);
  const ReachWait lie{.heard = calls, .failed = {{calls.front(), {Code::kIo, "no"}}}};
  EXPECT_TRUE(ask(other, lie).empty());
  EXPECT_EQ(ask(client), calls) << "not heard, as far as bern has said: told again";
  const ReachWait failed{.heard = calls, .failed = {{calls.front(), {Code::kIo, "no route"}}}};
  EXPECT_TRUE(ask(client, failed).empty());
  const auto ended = waiting.get();
  EXPECT_NE(ended.error().message.find("no route"), std::string::npos) << ended.error().message;
}

TEST(CallBack, WaitsAreBounded) {
  TestHost zurich("zurich", {.line_within = 20'000ms, .call_within = 20'000ms});
  TestHost bern("bern");
  StopSource stop;
  std::vector<std::jthread> callers;
  for (std::size_t i = 0; i < kCallsMax; ++i) {
    callers.emplace_back([&] {
      EXPECT_EQ(zurich.call_backs.call(bern.key(), soon(), stop.token()).error().code, Code::kCancelled);
    });
  }
  while (zurich.call_backs.waiting() < kCallsMax) std::this_thread::yield();
  EXPECT_EQ(zurich.call_backs.call(bern.key(), soon(), {}).error().code, Code::kExhausted);
  stop.stop();
}

TEST(CallBack, NobodyButThePeerIsServedOnAConnectionThatThisHostMade) {
  TestHost bern("bern");
  TestHost mallory("mallory");
  auto listener = TcpListener::listen({"127.0.0.1", 0});
  const Status begun = bern.server.serve_outgoing({.to = {"127.0.0.1", listener->port()},
                                                   .preamble = encode_call_preamble({}),
                                                   .peer = Identity::generate().public_key(),
                                                   .failed = [](Error) {}});
  ASSERT_TRUE(begun);
  auto socket = listener->accept(soon(), {});
  Bytes preamble(kCallPreambleBytes);
  ASSERT_TRUE(read_exact(*socket, preamble, soon(), {}));
  auto stream = connect_tls(std::move(*socket), mallory.identity, bern.key(), soon(), {});
  EXPECT_TRUE(!stream || !receive_frame(*stream, 64, soon(), {}));
  EXPECT_EQ(bern.moves, 0);
}

TEST(CallBack, AStandingConnectionComesBackAfterTheOtherHostsRestart) {
  TestHost bern("bern");
  auto zurich = std::make_unique<TestHost>("zurich");
  const Identity identity = zurich->identity.clone();
  const Endpoint endpoint = zurich->endpoint();
  const crypto::PublicKey key = zurich->key();
  StandingConnections standing(
      bern.server, bern.identity,
      [&] {
        return std::vector{DialOptions{.endpoints = {endpoint},
                                       .expected = key,
                                       .hello = {.purpose = "reach", .host_name = "bern", .domain = ""}}};
      },
      {});
  ASSERT_TRUE(zurich->call_backs.call(bern.key(), soon(), {}));
  zurich.reset();
  CallBacks call_backs({.line_within = 20'000ms, .call_within = 20'000ms});
  PeerServer again(identity, {.host_name = "zurich", .domain = ""},
                   [](const auto&, const Hello&) -> Status { return {}; });
  call_backs.attach(again);
  ASSERT_TRUE(again.start(endpoint));
  const auto called = call_backs.call(bern.key(), soon(), {});
  EXPECT_TRUE(called) << called.error().message;
}

TEST(CallWire, OddMessagesAreRefused) {
  const CallToken token{1, 2, 3};
  Bytes preamble = encode_call_preamble(token);
  ASSERT_EQ(preamble.size(), kCallPreambleBytes);
  EXPECT_EQ(*decode_call_preamble(preamble), token);
  preamble[4] = 2;
  EXPECT_EQ(decode_call_preamble(preamble).error().code, Code::kUnsupported);
  preamble[4] = 1;
  preamble[6] = 1;
  EXPECT_EQ(decode_call_preamble(preamble).error().code, Code::kInvalid);
  const ReachWait said{.heard = {token}, .failed = {{token, {Code::kUnavailable, "a\nb"}}}};
  const auto parsed = parse_reach_wait(to_json(said));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->heard, said.heard);
  EXPECT_EQ(parsed->failed.at(0).error.message, "a b");
  EXPECT_FALSE(parse_reach_wait(Json::array()));
  EXPECT_FALSE(parse_calls({{"calls", {"00"}}}));
  EXPECT_FALSE(parse_calls({{"calls", {7}}}));
  EXPECT_FALSE(parse_calls(calls_to_json(std::vector<CallToken>(kCallsMax + 1))));
}

}  // namespace
}  // namespace sealift::net
