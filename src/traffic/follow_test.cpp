// Host and balancer, over TLS on loopback: who may read, who may not, and what a reader sees.
#include <gtest/gtest.h>

#include "traffic/enrolment.hpp"
#include "traffic/service.hpp"
#include "traffic/test_traffic.hpp"

namespace sealift::traffic {
namespace {

using namespace testing;

Deadline soon() {
  return Deadline::in(domain::testing::kSoon);
}

class Seen final : public Taker {
 public:
  struct State {
    std::vector<MoveEvent> events;
    int connected = 0, lost = 0, wholes = 0;
    std::string why;
    MemberList members;
  };
  void take(const ledger::HostName&, const Batch& batch) override {
    auto locked = state.lock();
    locked->wholes += batch.whole ? 1 : 0;
    for (const MoveEvent& event : batch.events) locked->events.push_back(event);
  }
  void connected(const ledger::HostName&) override { ++state.lock()->connected; }
  void lost(const ledger::HostName&, const Error& error) override {
    auto locked = state.lock();
    ++locked->lost;
    locked->why = error.message;
  }
  void members(const MemberList& list) override { state.lock()->members = list; }
  Guarded<State> state;
};

struct FollowTest : ::testing::Test {
  domain::testing::TemporaryDirectory directory;
  const crypto::Identity zurich = identity_of("zurich");
  MembersOnly ledger;
  std::unique_ptr<EventStream> stream;
  std::unique_ptr<Service> service;
  std::unique_ptr<net::PeerServer> server;
  std::uint16_t port = 0;

  FollowTest() { up(); }
  ~FollowTest() override { down(); }
  void up() {
    stream = *EventStream::open(directory.path() / "traffic.db");
    service = std::make_unique<Service>(ServiceOptions{
        .self = host_name("zurich"), .identity = &zurich, .ledger = &ledger, .stream = stream.get()});
    server = std::make_unique<net::PeerServer>(
        zurich, net::PeerServerOptions{.host_name = "zurich", .domain = domain()},
        [this](const crypto::PublicKey& key, const net::Hello& hello) {
          return service->authorise(key, hello);
        });
    service->attach(*server);
    const Status started = server->start({"127.0.0.1", port});
    ASSERT_TRUE(started) << started.error().message;
    port = server->port();
    if (ledger.final_state()->member(host_name("zurich"))->info.endpoints.empty()) give_address();
  }
  void down() {
    server->stop();
    server.reset();
    service.reset();
    stream.reset();
  }
  // Its port is known only now: the domain begins again, with it.
  void give_address() {
    const ledger::HostInfo info{.name = host_name("zurich"),
                                .key = zurich.public_key(),
                                .endpoints = {fmt::format("127.0.0.1:{}", port)},
                                .region = "",
                                .witness_only = false};
    SeededRandom random(1);
    ledger.set(ledger::State::from_genesis(ledger::make_genesis(info, {}, WallTime{}, random)));
    server->set_domain(domain());
  }
  std::string domain() { return ledger.final_state()->domain().hex(); }
  file::Path balancer() const { return directory.path() / "lb"; }
  Result<Enrolment> enrol_balancer() {
    const std::string line = SEALIFT_TRY(service->invite({}));
    return enrol(balancer(), line, host_name("lb-1"), soon(), {});
  }
  std::unique_ptr<Follower> follow(Taker& taker) {
    const auto enrolled = load_enrolment(balancer());
    EXPECT_TRUE(enrolled);
    const auto hosts = hosts_of(enrolled->enrolment);
    return std::make_unique<Follower>(
        enrolled->identity, enrolled->enrolment.certificate, [hosts] { return hosts; }, taker);
  }
  // What somebody with this key gets for this question.
  Result<Json> ask(const crypto::Identity& who, const std::string& name, const std::string& certificate,
                   const std::string& domain_said) {
    net::DialOptions to;
    to.endpoints = {{"127.0.0.1", port}};
    to.expected = zurich.public_key();
    to.hello.purpose = kTrafficPurpose;
    to.hello.host_name = name;
    to.hello.domain = domain_said;
    net::RpcClient client(to, who, 1);
    return client.call("traffic.wait", to_json(WaitRequest{{}, certificate}), soon(), {});
  }
};

TEST_F(FollowTest, AnEnrolledBalancerSeesEverythingOnceAcrossARestartOfTheHost) {
  ASSERT_TRUE(enrol_balancer());
  ASSERT_TRUE(stream->publish(event_of(1, 1, MoveEventKind::kMoving)));
  Seen seen;
  const auto follower = follow(seen);
  EXPECT_TRUE(eventually([&] { return seen.state.lock()->events.size() == 1; }));
  const auto number = stream->publish(event_of(1, 1, MoveEventKind::kSwitching));
  ASSERT_TRUE(number && *number);
  const auto held = stream->wait_acknowledged(**number, Milliseconds{10'000});
  EXPECT_EQ(held.by, std::vector<std::string>{"lb-1"});
  EXPECT_EQ(seen.state.lock()->events.size(), 2U) << "in force before it is acknowledged";
  down();
  up();
  ASSERT_TRUE(stream->publish(event_of(1, 1, MoveEventKind::kAborted)));
  EXPECT_TRUE(eventually([&] { return seen.state.lock()->events.size() == 3; }));
  const auto state = *seen.state.lock();
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(state.events[i].number, i + 1);
  EXPECT_EQ(state.wholes, 1);
  EXPECT_EQ(state.members.members.size(), 1U);
}

TEST_F(FollowTest, ALostHostIsSaidAndComesBack) {
  ASSERT_TRUE(enrol_balancer());
  Seen seen;
  const auto follower = follow(seen);
  EXPECT_TRUE(eventually([&] { return seen.state.lock()->connected == 1; }));
  down();
  EXPECT_TRUE(eventually([&] { return seen.state.lock()->lost == 1; }));
  up();
  EXPECT_TRUE(eventually([&] { return seen.state.lock()->connected == 2; }));
}

TEST_F(FollowTest, AStrangerGetsNothing) {
  ASSERT_TRUE(enrol_balancer());
  const auto enrolled = load_enrolment(balancer());
  ASSERT_TRUE(enrolled);
  const std::string& good = enrolled->enrolment.certificate;
  const crypto::Identity mallory = identity_of("mallory");
  const auto refused = [&](const Result<Json>& answer) {
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Code::kUnauthorized) << answer.error().message;
  };
  refused(ask(mallory, "mallory", "", domain()));
  refused(ask(mallory, "mallory", good, domain()));
  refused(ask(mallory, "zurich", good, domain()));
  refused(ask(enrolled->identity, "lb-1", "", domain()));
  refused(ask(enrolled->identity, "lb-1", good, std::string(64, '0')));
  const std::string own(
      as_text(make_certificate({ledger.final_state()->domain(), host_name("mallory"), mallory.public_key(),
                                host_name("mallory"), system_clock().wall() + std::chrono::hours{1}},
                               mallory)));
  refused(ask(mallory, "mallory", own, domain()));
  EXPECT_TRUE(ask(enrolled->identity, "lb-1", good, domain()));
  EXPECT_TRUE(ask(zurich, "zurich", "", domain())) << "a member needs no certificate";
}

TEST_F(FollowTest, AnExpelledMembersSignatureNoLongerCounts) {
  ASSERT_TRUE(enrol_balancer());
  Seen seen;
  const auto follower = follow(seen);
  EXPECT_TRUE(eventually([&] { return seen.state.lock()->connected == 1; }));
  ledger.expel("zurich");
  EXPECT_TRUE(eventually([&] { return seen.state.lock()->lost == 1; }));
  EXPECT_NE(seen.state.lock()->why.find("no member any more"), std::string::npos) << seen.state.lock()->why;
  ASSERT_TRUE(stream->publish(event_of(1, 1, MoveEventKind::kMoving)));
  EXPECT_TRUE(seen.state.lock()->events.empty());
}

TEST_F(FollowTest, AnInvitationServesOneKeyAndOnlyItsSecret) {
  const auto line = service->invite({});
  ASSERT_TRUE(line) << line.error().message;
  ASSERT_TRUE(enrol(balancer(), *line, host_name("lb-1"), soon(), {}));
  EXPECT_TRUE(enrol(balancer(), *line, host_name("lb-1"), soon(), {})) << "the answer may have been lost";
  const auto other = enrol(directory.path() / "other", *line, host_name("lb-2"), soon(), {});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::kUnauthorized);
  const auto again = service->invite({});
  domain::Invitation forged = *domain::parse_invitation(*again);
  forged.secret = crypto::Secret::random(domain::kInvitationSecretBytes);
  const auto wrong = enrol(directory.path() / "other", forged.line(), host_name("lb-2"), soon(), {});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::kUnauthorized);
  forged.kind = domain::InvitationKind::kHost;
  EXPECT_EQ(enrol(balancer(), forged.line(), host_name("lb-1"), soon(), {}).error().code, Code::kInvalid);
}

TEST_F(FollowTest, NobodyEnrolsWithoutAnInvitation) {
  domain::Invitation made_up;
  made_up.kind = domain::InvitationKind::kBalancer;
  made_up.endpoints = {{"127.0.0.1", port}};
  made_up.domain = ledger.final_state()->domain();
  made_up.inviter = {"zurich", zurich.public_key()};
  made_up.id = "0123456789abcdef";
  made_up.secret = crypto::Secret::random(domain::kInvitationSecretBytes);
  made_up.expires = system_clock().wall();
  const auto refused = enrol(balancer(), made_up.line(), host_name("lb-1"), soon(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnauthorized);
}

}  // namespace
}  // namespace sealift::traffic
