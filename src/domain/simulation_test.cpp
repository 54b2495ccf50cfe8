// Server and followers without sockets or threads: a seed decides who does what next, which message is lost,
// and who is killed and opened again. The real code, the real store, the real messages.
#include <gtest/gtest.h>

#include <array>

#include "domain/domain_fixture.hpp"
#include "domain/follower.hpp"
#include "domain/server.hpp"

namespace sealift::domain {
namespace {

using namespace testing;

struct SimulatedHost {
  std::string name;
  crypto::Identity identity;
  std::unique_ptr<Replica> replica;
  std::unique_ptr<Server> server;
  std::unique_ptr<Follower> follower;
  std::uint64_t final_seen = 0;
};

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed) {
    ledger::HostInfo founder;
    founder.name = host_name("zurich");
    founder.key = identity_of("zurich").public_key();
    genesis_ = ledger::make_genesis(founder, {}, clock_.wall(), random_);
    open_new("zurich");
  }

  void open_new(const std::string& name) {
    hosts_.push_back({name, identity_of(name), {}, {}, {}});
    open(hosts_.back());
  }
  void open(SimulatedHost& host) {
    host.follower.reset();
    host.server.reset();
    host.replica.reset();
    auto store = ledger::Store::create(directory_.path() / (host.name + ".db"), genesis_);
    ASSERT_TRUE(store) << store.error().message;
    auto chain =
        ledger::Chain::open(std::move(*store), {host_name(host.name), host.identity.clone()}, clock_);
    ASSERT_TRUE(chain) << host.name << ": " << chain.error().message;
    host.replica = *Replica::make(std::move(*chain), *Desk::open_in_memory(), host.identity, clock_);
    host.server = std::make_unique<Server>(*host.replica);
    host.follower = std::make_unique<Follower>(*host.replica);
    host.follower->begin_session();
  }

  SimulatedHost& server() { return hosts_.front(); }

  // One request and its answer, either of which may be lost.
  void exchange(SimulatedHost& host, std::uint64_t loss_percent) {
    const Replica& there = *server().replica;
    const auto& key = host.identity.public_key();
    Server::Asker asker;
    if (const auto name = there.member(key)) {
      asker.name = *name;
    } else if (const auto former = there.former_member(key)) {
      asker = {*former, *there.removed_height(*former)};
    } else {
      return;
    }
    const auto request = parse_follow_request(to_json(host.follower->request()));
    ASSERT_TRUE(request) << request.error().message;
    if (random_.below(100) < loss_percent) return host.follower->begin_session();
    const Status heard = server().server->hear(asker, *request);
    ASSERT_TRUE(heard) << host.name << ": " << heard.error().message;
    const auto news = server().server->news(asker, *request);
    ASSERT_TRUE(news) << news.error().message;
    if (!*news) return;
    if (random_.below(100) < loss_percent) return host.follower->begin_session();
    const auto read = parse_follow_news(to_json(**news));
    ASSERT_TRUE(read) << read.error().message;
    const Status taken = host.follower->take(*read);
    ASSERT_TRUE(taken) << host.name << ": " << taken.error().message;
  }

  void join(const std::string& name) {
    const auto state = server().replica->chain().final_state();
    ledger::HostJoin join;
    join.number = state->changes() + 1;
    join.host.name = host_name(name);
    join.host.key = identity_of(name).public_key();
    Bytes envelope = ledger::make_record(genesis_.id(), join, server().identity);
    for (SimulatedHost& host : hosts_) envelope = *ledger::approve(envelope, host.identity);
    joins_.push_back(envelope);
    ASSERT_TRUE(server().server->enqueue(envelope));
    open_new(name);
  }
  void submit() {
    ledger::VmRegister body;
    body.vm = ledger::VmId::make(random_);
    body.number = 1;
    const SimulatedHost& who = hosts_[random_.below(hosts_.size())];
    if (!server().replica->chain().final_state()->member(host_name(who.name))) return;
    body.owner = host_name(who.name);
    records_.push_back(ledger::make_record(genesis_.id(), body, who.identity));
    ASSERT_TRUE(server().server->enqueue(records_.back()));
  }
  void round(std::uint64_t loss_percent, std::uint64_t crash_percent) {
    clock_.advance(Milliseconds{10});
    SimulatedHost& who = hosts_[random_.below(hosts_.size())];
    if (random_.below(100) < crash_percent) open(who);
    switch (random_.below(4)) {
      case 0: submit(); break;
      case 1: server().server->step(); break;
      default:
        if (&who != &server()) exchange(who, loss_percent);
    }
    check();
  }
  // No two final blocks contradict, and what was final stays.
  void check() {
    for (SimulatedHost& host : hosts_) {
      ledger::Chain& chain = host.replica->chain();
      const std::uint64_t height = chain.final_height();
      ASSERT_GE(height, host.final_seen) << host.name;
      for (std::uint64_t at = host.final_seen + 1; at <= height; ++at) {
        const crypto::Digest hash = chain.block(at)->header.hash();
        const auto [known, fresh] = final_.emplace(at, hash);
        ASSERT_EQ(known->second, hash) << host.name << " has another final block " << at;
      }
      host.final_seen = height;
      ASSERT_FALSE(host.replica->evidence()) << host.name;
    }
  }
  void heal() {
    for (int i = 0; i < 2000; ++i) {
      // What a killed server had in its queue is submitted again, as everybody does.
      for (const Bytes& record : joins_) ASSERT_TRUE(server().server->enqueue(record));
      for (const Bytes& record : records_) ASSERT_TRUE(server().server->enqueue(record));
      server().server->step();
      for (SimulatedHost& host : hosts_) {
        if (&host != &server()) exchange(host, 0);
      }
      check();
      const auto& chain = server().replica->chain();
      bool level = chain.final_state()->vms().size() == records_.size() &&
                   chain.final_state()->members().size() == hosts_.size();
      for (SimulatedHost& host : hosts_)
        level = level && host.replica->chain().final_height() == chain.height();
      if (level) return;
    }
    FAIL() << "not level: " << server().server->waiting_for();
  }

 private:
  TemporaryDirectory directory_;
  ManualClock clock_;
  SeededRandom random_;
  ledger::Genesis genesis_;
  std::deque<SimulatedHost> hosts_;
  std::vector<Bytes> joins_, records_;
  std::map<std::uint64_t, crypto::Digest> final_;
};

class SimulationSeeds : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(SimulationSeeds, FinalBlocksAgreeThroughLossesAndCrashes) {
  SCOPED_TRACE(fmt::format("seed {}", GetParam()));
  Simulation simulation(GetParam());
  const auto rounds = [&](int count, std::uint64_t loss, std::uint64_t crash) {
    for (int i = 0; i < count && !::testing::Test::HasFatalFailure(); ++i) simulation.round(loss, crash);
  };
  rounds(10, 20, 5);
  simulation.join("bern");
  rounds(60, 20, 5);
  simulation.heal();
  if (HasFatalFailure()) return;
  simulation.join("wien");
  rounds(120, 30, 5);
  simulation.heal();
}

INSTANTIATE_TEST_SUITE_P(Domain, SimulationSeeds, ::testing::Range<std::uint64_t>(1, 21));

}  // namespace
}  // namespace sealift::domain
