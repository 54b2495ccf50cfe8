#pragma once

// For this module's tests: hosts with real state directories and real TCP on loopback, several in one
// process.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <thread>

#include "base/guarded.hpp"
#include "domain/node.hpp"
#include "net/socket.hpp"

namespace sealift::domain::testing {

constexpr Milliseconds kSoon{20'000};  // far more than anything here takes

inline file::Path scratch() {
  if (const char* asked = std::getenv("TEST_TMPDIR")) return asked;
  // Syncs cost nothing there; durability itself is not what these tests measure.
  const file::Path memory = "/dev/shm";
  return std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (scratch() / "domain_test.XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const file::Path& path() const { return path_; }

 private:
  file::Path path_;
};

inline crypto::Identity identity_of(std::string_view name) {
  return *crypto::Identity::from_seed(crypto::sha256(as_bytes(name)).view());
}
inline ledger::HostName host_name(std::string_view name) {
  return *ledger::HostName::parse(name);
}

// The system's clock, off by a constant.
class OffsetClock final : public Clock {
 public:
  explicit OffsetClock(Milliseconds offset) : offset_(offset) {}
  WallTime wall() const override { return system_clock().wall() + offset_; }
  SteadyTime steady() const override { return system_clock().steady(); }

 private:
  Milliseconds offset_;
};

class Host {
 public:
  explicit Host(std::string name, Milliseconds clock_offset = {})
      : name_(std::move(name)), identity_(identity_of(name_)), clock_(clock_offset) {
    {
      const auto listener = net::TcpListener::listen({"127.0.0.1", 0});
      EXPECT_TRUE(listener);
      port_ = listener->port();
    }
    up();
  }
  ~Host() { down(); }

  Status try_up() {
    NodeOptions options;
    options.directory = directory_.path() / "state";
    options.self.name = host_name(name_);
    options.self.endpoints = {endpoint().text()};
    options.clock = &clock_;
    options.compare_every = Milliseconds{0};
    options.redial_max = Milliseconds{50};
    options.follow_hold = Milliseconds{300};
    options.on_joined = [this] { ++joined; };
    options.on_alarm = [this](std::string text) { alarms_.lock()->push_back(std::move(text)); };
    node_ = SEALIFT_TRY(Node::open(identity_, std::move(options)));
    Node* node = node_.get();
    peers_ =
        std::make_unique<net::PeerServer>(identity_, net::PeerServerOptions{.host_name = name_, .domain = {}},
                                          [node](const crypto::PublicKey& key, const net::Hello& hello) {
                                            return node->authorise(key, hello);
                                          });
    node_->attach(*peers_);
    SEALIFT_TRY_STATUS(peers_->start(endpoint()));
    node_->start();
    return {};
  }
  void up() {
    const Status status = try_up();
    EXPECT_TRUE(status) << status.error().message;
  }
  void down() {
    if (node_) node_->stop();
    peers_.reset();
    node_.reset();
  }
  void restart() {
    down();
    up();
  }

  Node& node() { return *node_; }
  const crypto::Identity& identity() const { return identity_; }
  const std::string& name() const { return name_; }
  net::Endpoint endpoint() const { return {"127.0.0.1", port_}; }
  file::Path state() const { return directory_.path() / "state"; }
  std::vector<std::string> alarms() { return *alarms_.lock(); }

  // The host is down: its state directory as it was, and back to that.
  void back_up() {
    std::filesystem::copy(state(), directory_.path() / "old", std::filesystem::copy_options::recursive);
  }
  void restore() {
    std::filesystem::remove_all(state());
    std::filesystem::rename(directory_.path() / "old", state());
  }

  Bytes registration(int number) {
    ledger::VmRegister body;
    SeededRandom random(static_cast<std::uint64_t>(number) * 1000 + name_.size() + name_.front());
    body.vm = ledger::VmId::make(random);
    body.number = 1;
    body.owner = host_name(name_);
    body.definition = crypto::sha256(as_bytes("definition"));
    return ledger::make_record(node().final_state()->domain(), body, identity_);
  }
  // Until it is final here.
  Result<ledger::RecordId> register_vm(int number, Milliseconds within = kSoon) {
    const Deadline deadline = Deadline::in(within);
    const ledger::RecordId id = SEALIFT_TRY(node().submit(registration(number), deadline, {}));
    const auto status = SEALIFT_TRY(node().wait(id, deadline, {}));
    if (status.kind != ledger::RecordStatus::Kind::kFinal) return fail(Code::kRefused, "{}", status.reason);
    return id;
  }
  Status reach(std::uint64_t height) {
    if (height > 0) SEALIFT_TRY(node().wait_beyond(height - 1, Deadline::in(kSoon), {}));
    return {};
  }

  std::atomic<int> joined{0};

 private:
  TemporaryDirectory directory_;
  std::string name_;
  crypto::Identity identity_;
  OffsetClock clock_;
  std::uint16_t port_ = 0;
  Guarded<std::vector<std::string>> alarms_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<net::PeerServer> peers_;
};

// zurich made the domain; bern and wien joined.
struct Three {
  Host zurich{"zurich"}, bern{"bern"}, wien{"wien"};

  Three() {
    add(bern, {&zurich});
    add(wien, {&zurich, &bern});
  }
  // Invited by the first member, approved by the others.
  static void add(Host& joiner, const std::vector<Host*>& members) {
    const auto line = members.front()->node().invite({});
    ASSERT_TRUE(line) << line.error().message;
    std::jthread approver;
    if (members.size() > 1) {
      approver = std::jthread([&members, &joiner](const std::stop_token& ended) {
        while (!ended.stop_requested()) {
          if (members[1]->node().approve(joiner.name(), Deadline::in(kSoon), {})) return;
        }
      });
    }
    const Status joined = joiner.node().join(*line, Deadline::in(kSoon), {});
    ASSERT_TRUE(joined) << joined.error().message;
  }
};

// Until `true_now`; the test fails after kSoon.
template <class Condition>
::testing::AssertionResult eventually(Condition true_now) {
  const Deadline end = Deadline::in(kSoon);
  while (!true_now()) {
    if (end.passed()) return ::testing::AssertionFailure() << "not within " << kSoon.count() << " ms";
    std::this_thread::yield();
  }
  return ::testing::AssertionSuccess();
}

}  // namespace sealift::domain::testing
