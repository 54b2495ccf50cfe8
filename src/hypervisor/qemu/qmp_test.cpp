#include "hypervisor/qemu/qmp.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "hypervisor/qemu/answers.hpp"
#include "hypervisor/qemu/unix_socket.hpp"
#include "hypervisor/test_guest.hpp"

namespace sealift::hypervisor::qemu {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kGreeting =
    R"({"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": ""}, "capabilities": []}})"
    "\r\n";

TEST(QmpLines, AreCutWhereverTheBytesBreak) {
  const std::string text = "{\"a\":1}\r\n\r\n{\"b\":2}\n{\"c\"";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    LineSplitter splitter;
    ASSERT_TRUE(splitter.feed(as_bytes(text).first(cut)));
    ASSERT_TRUE(splitter.feed(as_bytes(text).subspan(cut)));
    EXPECT_EQ(splitter.next(), "{\"a\":1}");
    EXPECT_EQ(splitter.next(), "{\"b\":2}");
    EXPECT_EQ(splitter.next(), std::nullopt);
  }
}

TEST(QmpLines, ALineOverTheLimitIsRefused) {
  LineSplitter splitter(16);
  EXPECT_TRUE(splitter.feed(as_bytes("0123456789abcdef\n")));
  EXPECT_FALSE(splitter.feed(as_bytes("0123456789abcdefg")));
}

TEST(QmpLines, AreOneOfThreeKindsOrRefused) {
  EXPECT_TRUE(parse_qmp_line(kGreeting.substr(0, kGreeting.size() - 2))->greeting);
  EXPECT_EQ(parse_qmp_line(R"({"return": {}, "id": 3})")->answer->id, 3U);
  const auto error = parse_qmp_line(R"({"error": {"class": "CommandNotFound", "desc": "no"}, "id": 1})");
  EXPECT_EQ(error->answer->error->code, Code::kUnsupported);
  const auto pass = parse_qmp_line(R"({"event": "MIGRATION_PASS", "data": {"pass": 4}, "timestamp": {}})");
  EXPECT_EQ(pass->event->kind, EventKind::kMigrationPass);
  EXPECT_EQ(pass->event->pass, 4U);
  const auto phase = parse_qmp_line(R"({"event": "MIGRATION", "data": {"status": "pre-switchover"}})");
  EXPECT_EQ(phase->event->phase, MigrationPhase::kPreSwitchover);
  EXPECT_EQ(parse_qmp_line(R"({"event": "SOMETHING_NEW"})")->event->kind, EventKind::kOther);
  for (const std::string_view bad :
       {"", "[]", "{}", "1", R"({"return": {}})", R"({"return": {}, "id": "x"})",
        R"({"return": {}, "error": {}, "id": 1})", R"({"event": 1})", R"({"event": "MIGRATION", "data": {}})",
        R"({"event": "X", "return": 1, "id": 1})", R"({"event": "MIGRATION_PASS", "data": {"pass": -1}})",
        R"({"error": {}, "id": 1})"}) {
    EXPECT_FALSE(parse_qmp_line(bad)) << bad;
  }
}

TEST(QmpAnswers, StatusAndMigrationBecomeValues) {
  const auto status = parse_status(Json::parse(R"({"status": "finish-migrate", "running": false})"));
  EXPECT_EQ(status->state, RunState::kFinishMigrate);
  EXPECT_FALSE(parse_status(Json::parse(R"({"status": 1})")));
  const auto migration = parse_migration_status(Json::parse(
      R"({"status": "active", "total-time": 12, "ram": {"total": 100, "remaining": 40, "dirty-sync-count": 3,
          "dirty-pages-rate": 10, "page-size": 4096, "mbps": 12.5}})"));
  ASSERT_TRUE(migration);
  EXPECT_EQ(migration->remaining_bytes, 40U);
  EXPECT_EQ(migration->passes, 3U);
  EXPECT_EQ(migration->dirty_bytes_per_second, 40960U);
  EXPECT_EQ(parse_migration_status(Json::object())->phase, MigrationPhase::kNone);
  EXPECT_EQ(parse_migration_status(Json::parse(R"({"blocked-reasons": ["vTPM", 7]})"))->blocked,
            std::vector<std::string>{"vTPM"});
  EXPECT_FALSE(*parse_dirty_rate(Json::parse(R"({"status": "measuring"})")));
  EXPECT_EQ(**parse_dirty_rate(Json::parse(R"({"status": "measured", "dirty-rate": 3})")), 3U << 20U);
  EXPECT_FALSE(parse_dirty_rate(Json::array()));
  EXPECT_EQ(*parse_written_bytes(Json::parse(R"([{"stats": {"wr_bytes": 5}}, {"stats": {"wr_bytes": 2}}])")),
            7U);
  EXPECT_FALSE(parse_written_bytes(Json::parse(R"([{"stats": 1}])")));
  EXPECT_FALSE(parse_migration_status(Json::parse(R"({"status": "active", "ram": {"total": "x"}})")));
}

TEST(Qmp, AnOldVersionIsRefusedWithTheReason) {
  EXPECT_TRUE(check_version({.major = 9, .minor = 0, .micro = 0}));
  const Status old = check_version({.major = 7, .minor = 2, .micro = 22});
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().code, Code::kUnsupported);
  EXPECT_NE(old.error().message.find("7.2.22"), std::string::npos);
  EXPECT_NE(old.error().message.find("lose the guest's memory"), std::string::npos);
}

// A monitor that says what the test wants.
class FakeMonitor {
 public:
  // Said before the greeting, and before the answer to the handshake.
  struct First {
    std::string greeting, answer;
  };
  explicit FakeMonitor(std::function<void(int)> talk, First first = {}) {
    listening_ = std::move(*listen_unix(path()));
    thread_ = std::jthread([this, talk = std::move(talk), first] {
      const UniqueFd peer(::accept(listening_.get(), nullptr, nullptr));
      say(peer.get(), first.greeting + std::string(kGreeting));
      hear(peer.get());
      say(peer.get(), first.answer + "{\"return\": {}, \"id\": 0}\n");
      talk(peer.get());
    });
  }
  file::Path path() const { return directory_.path() / "qmp"; }
  static void say(int fd, std::string_view text) {
    ASSERT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  static std::string hear(int fd) {
    std::string line;
    char c = 0;
    while (::read(fd, &c, 1) == 1 && c != '\n') line += c;
    return line;
  }

 private:
  testing::TestDirectory directory_;
  UniqueFd listening_;
  std::jthread thread_;
};

TEST(Qmp, ALateAnswerIsDroppedAndTheNextCommandGetsItsOwn) {
  FakeMonitor monitor([](int fd) {
    FakeMonitor::hear(fd);  // the first command: no answer until the second is here
    FakeMonitor::hear(fd);
    FakeMonitor::say(
        fd, "{\"return\": \"late\", \"id\": 1}\n{\"event\": \"STOP\"}\n{\"return\": \"two\", \"id\": 2}\n");
    FakeMonitor::hear(fd);
  });
  const auto client = QmpClient::connect(monitor.path(), Deadline::in(5s), Stop());
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ((*client)->call("one", {}, Deadline::in(20ms), Stop()).error().code, Code::kTimeout);
  const auto second = (*client)->call("two", {}, Deadline::in(5s), Stop());
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(*second, "two");
  std::uint64_t position = 0;
  EXPECT_EQ((*client)->next_event(position, Deadline::in(5s), Stop())->kind, EventKind::kStop);
}

// A migration's passes come from another thread of QEMU than its answers.
TEST(Qmp, EventsMayComeBeforeTheHandshakesAnswer) {
  FakeMonitor monitor(
      [](int fd) { FakeMonitor::hear(fd); },
      {"", "{\"event\": \"MIGRATION_PASS\", \"data\": {\"pass\": 9}}\n{\"event\": \"STOP\"}\n"});
  const auto client = QmpClient::connect(monitor.path(), Deadline::in(5s), Stop());
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ((*client)->event_position(), 2U);
  std::uint64_t position = 1;
  EXPECT_EQ((*client)->next_event(position, Deadline::in(5s), Stop())->kind, EventKind::kStop);
}

// Who connects while QEMU's monitor is still being made.
TEST(Qmp, ASecondGreetingMayComeBeforeTheHandshakesAnswer) {
  FakeMonitor monitor([](int fd) { FakeMonitor::hear(fd); }, {"", std::string(kGreeting)});
  const auto client = QmpClient::connect(monitor.path(), Deadline::in(5s), Stop());
  ASSERT_TRUE(client) << client.error().message;
}

// What an earlier client did not read.
TEST(Qmp, WhatComesBeforeTheGreetingIsPassedOver) {
  FakeMonitor monitor([](int fd) { FakeMonitor::hear(fd); },
                      {"ent\": \"STOP\"}\n{\"return\": {}, \"id\": 5}\n{\"event\": \"RESUME\"}\n", ""});
  const auto client = QmpClient::connect(monitor.path(), Deadline::in(5s), Stop());
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ((*client)->event_position(), 0U);
}

TEST(Qmp, AnAnswerThatNobodyAskedForEndsTheConnection) {
  FakeMonitor monitor([](int fd) {
    FakeMonitor::say(fd, "{\"return\": {}, \"id\": 77}\n");
    FakeMonitor::hear(fd);
  });
  const auto client = QmpClient::connect(monitor.path(), Deadline::in(5s), Stop());
  ASSERT_TRUE(client);
  std::uint64_t position = 0;
  EXPECT_EQ((*client)->next_event(position, Deadline::in(5s), Stop())->kind, EventKind::kLost);
  EXPECT_EQ((*client)->call("x", {}, Deadline::in(5s), Stop()).error().code, Code::kUnavailable);
  EXPECT_EQ((*client)->next_event(position, Deadline::in(5s), Stop()).error().code, Code::kUnavailable);
  EXPECT_FALSE((*client)->connected());
}

TEST(Qmp, WaitingEndsWhenStopped) {
  FakeMonitor monitor([](int fd) { FakeMonitor::hear(fd); });
  const auto client = QmpClient::connect(monitor.path(), Deadline::in(5s), Stop());
  ASSERT_TRUE(client);
  StopSource source;
  source.stop();
  std::uint64_t position = 0;
  EXPECT_EQ((*client)->next_event(position, Deadline::never(), source.token()).error().code,
            Code::kCancelled);
}

}  // namespace
}  // namespace sealift::hypervisor::qemu
