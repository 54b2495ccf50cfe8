#include "balance/balancer.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace sealift::balance {
namespace {

Deadline soon() {
  return Deadline::in(Milliseconds{60'000});
}

// Answers each connection with its name, then echoes.
class EchoServer {
 public:
  explicit EchoServer(std::string name)
      : name_(std::move(name)), listener_(*net::TcpListener::listen({"127.0.0.1", 0})) {
    thread_ = std::thread([this] { serve(); });
  }
  ~EchoServer() {
    stop_.stop();
    thread_.join();
  }
  ServerSpec spec() const {
    ServerSpec spec;
    spec.name = name_;
    spec.address = *Address::parse(fmt::format("127.0.0.1:{}", listener_.port()));
    return spec;
  }

 private:
  void serve() {
    std::vector<std::jthread> open;
    while (auto stream = listener_.accept(Deadline::never(), stop_.token())) {
      open.emplace_back([this, stream = std::move(*stream)]() mutable {
        (void)stream.write_all(as_bytes(name_), soon(), stop_.token());
        Bytes bytes(65536);
        while (true) {
          const auto count = stream.read_some(bytes, Deadline::never(), stop_.token());
          if (!count || *count == 0) return stream.shutdown_write();
          (void)stream.write_all(ByteView(bytes).first(*count), soon(), stop_.token());
        }
      });
    }
  }
  std::string name_;
  net::TcpListener listener_;
  StopSource stop_;
  std::thread thread_;
};

struct BalancerTest : testing::Test {
  EchoServer a{"a"}, b{"b"};
  Config config;
  std::unique_ptr<Balancer> balancer;

  BalancerTest() {
    ListenerSpec listener;
    listener.name = "l";
    listener.address = *Address::parse("127.0.0.1:1");
    listener.address.port = 0;
    listener.pool = "p";
    config.listeners = {listener};
    config.pools.emplace_back().name = "p";
    pool().servers = {a.spec(), b.spec()};
    pool().health.interval = Milliseconds{50};
  }
  PoolSpec& pool() { return config.pools[0]; }
  void start() {
    auto started = Balancer::start(config, {});
    ASSERT_TRUE(started) << started.error().message;
    balancer = std::move(*started);
  }
  // The balancer may already have reset the connection when connect() looks.
  Result<net::TcpStream> try_dial() {
    return net::TcpStream::connect({"127.0.0.1", Address::bound_to(balancer->sockets()[0].second).port},
                                   soon(), {});
  }
  net::TcpStream dial() {
    auto stream = try_dial();
    if (!stream) throw std::runtime_error(stream.error().message);  // the test fails with these words
    return std::move(*stream);
  }
  static std::string read(net::TcpStream& stream, std::size_t bytes = 1) {
    Bytes out(bytes);
    const Status done = net::read_exact(stream, out, soon(), {});
    return done ? std::string(as_text(out)) : std::string(to_string(done.error().code));
  }
  Status change(std::function<Status(Registry&, SteadyTime)> action) { return balancer->change(action); }
  template <class Condition>
  static void until(Condition condition) {
    const Deadline deadline = soon();
    while (!condition() && !deadline.passed()) std::this_thread::yield();
  }
  void wait_for(const char* what, std::uint64_t value) {
    until([&] { return balancer->status()["pools"][0][what] == value; });
    EXPECT_EQ(balancer->status()["pools"][0][what], value) << what;
  }
};

TEST_F(BalancerTest, TakesTurnsAndEchoesExactlyWhatIsSent) {
  start();
  std::string names;
  for (int i = 0; i < 6; ++i) {
    net::TcpStream stream = dial();
    names += read(stream);
  }
  EXPECT_TRUE(names == "ababab" || names == "bababa") << names;

  net::TcpStream stream = dial();
  read(stream);
  Bytes sent(8 * 1024 * 1024);
  SeededRandom(5).fill(sent);
  std::jthread writer([&] {
    EXPECT_TRUE(stream.write_all(sent, soon(), {}));
    stream.shutdown_write();
  });
  Bytes received(sent.size());
  EXPECT_TRUE(net::read_exact(stream, received, soon(), {}));
  EXPECT_EQ(received, sent);
  EXPECT_EQ(read(stream), "closed") << "the server's end follows the client's";
}

TEST_F(BalancerTest, HeldConnectionsWaitAndAreServedAtTheRelease) {
  pool().servers = {a.spec()};
  pool().release_rate = 1000;
  start();
  ASSERT_TRUE(change([](Registry& r, SteadyTime now) { return r.hold({"p", "a"}, std::nullopt, now); }));
  std::vector<net::TcpStream> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(dial());
  wait_for("waiting", 5);
  ASSERT_TRUE(change([](Registry& r, SteadyTime now) { return r.release({"p", "a"}, now); }));
  for (net::TcpStream& stream : waiting) EXPECT_EQ(read(stream), "a");
  wait_for("waiting", 0);
}

TEST_F(BalancerTest, AFullServersClientsWaitTheirTurnUpToTheLimitOfTheQueue) {
  ServerSpec full = a.spec();
  full.connections_max = 1;
  pool().servers = {full};
  pool().queue_max = 1;
  start();
  net::TcpStream first = dial();
  EXPECT_EQ(read(first), "a");
  net::TcpStream second = dial();
  wait_for("waiting", 1);
  auto third = try_dial();
  EXPECT_FALSE(third && read(*third) == "a") << "closed: the queue is full";
  wait_for("refused", 1);
  first.close();
  {
    const net::TcpStream gone = std::move(first);
  }
  EXPECT_EQ(read(second), "a");
}

TEST_F(BalancerTest, AConnectThatFailsGoesToAnotherServerAndTheFailingOneIsEjected) {
  ServerSpec nobody = b.spec();
  nobody.address = *Address::parse("127.0.0.1:9");
  pool().servers = {a.spec(), nobody};
  pool().health.kind = CheckKind::kNone;
  pool().health.passive_failures = 2;
  start();
  for (int i = 0; i < 8; ++i) {
    net::TcpStream stream = dial();
    EXPECT_EQ(read(stream), "a");
  }
  until([&] { return balancer->status()["pools"][0]["servers"][1]["state"] == "down"; });
  EXPECT_EQ(balancer->status()["pools"][0]["servers"][1]["state"], "down");
}

TEST_F(BalancerTest, ConnectionsSurviveAReloadThatRemovesTheirPoolAndAFinish) {
  start();
  net::TcpStream stream = dial();
  read(stream);
  Config next = config;
  next.pools[0].name = next.listeners[0].pool = "q";
  ASSERT_TRUE(balancer->reload(next));
  net::TcpStream fresh = dial();
  read(fresh);
  next.threads = 2;
  EXPECT_EQ(balancer->reload(next).error().code, Code::kRefused);
  balancer->finish(Milliseconds{60'000});
  for (net::TcpStream* open : {&stream, &fresh}) {
    ASSERT_TRUE(open->write_all(as_bytes("x"), soon(), {}));
    EXPECT_EQ(read(*open), "x");
  }
  EXPECT_FALSE(balancer->finished());
  for (net::TcpStream* open : {&stream, &fresh}) open->shutdown_write();
  until([&] { return balancer->finished(); });
  EXPECT_TRUE(balancer->finished());
}

TEST_F(BalancerTest, HandsItsSocketsAndCommandsToTheNextOne) {
  start();
  ASSERT_TRUE(
      change([](Registry& r, SteadyTime now) { return r.set_admin({"p", "a"}, Admin::kDrain, now); }));
  auto [ours, theirs] = net::make_pipe();
  std::jthread old([&, heir = std::move(ours)]() mutable {
    const auto taken = bequeath(heir, balancer->sockets(), balancer->commands(),
                                [&] { balancer->finish(Milliseconds{60'000}); }, {});
    EXPECT_TRUE(taken && *taken);
  });
  Heir heir(std::move(theirs));
  auto inheritance = heir.receive();
  ASSERT_TRUE(inheritance) << inheritance.error().message;
  ASSERT_EQ(inheritance->sockets.size(), 1U);
  config.listeners[0].address = Address::bound_to(inheritance->sockets[0].fd.get());
  auto next = Balancer::start(config, std::move(*inheritance));
  ASSERT_TRUE(next) << next.error().message;
  ASSERT_TRUE(heir.ready());
  old.join();
  balancer = std::move(*next);
  for (int i = 0; i < 4; ++i) {
    net::TcpStream stream = dial();
    EXPECT_EQ(read(stream), "b") << "a is drained here too";
  }
}

}  // namespace
}  // namespace sealift::balance
