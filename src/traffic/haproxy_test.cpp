// Against the real HAProxy (tools/setup balance installs it).
#include <gtest/gtest.h>

#include <filesystem>

#include "base/process.hpp"
#include "net/socket.hpp"
#include "traffic/haproxy_end.hpp"
#include "traffic/test_traffic.hpp"

namespace sealift::traffic {
namespace {

using namespace testing;
using enum MoveEventKind;

constexpr std::string_view kStat =
    "# "
    "pxname,svname,qcur,qmax,scur,smax,slim,stot\nweb,s1,3,0,0,0,12,0\nweb,s2,0,0,0,0,,0\nweb,BACKEND,2,0,0,"
    "0,,0\n\n";

TEST(HaproxyAnswer, LimitsAreReadByTheHeadsNames) {
  EXPECT_EQ(parse_haproxy_stat(kStat, "web", "s1")->connections_max, 12U);
  EXPECT_EQ(parse_haproxy_stat(kStat, "web", "s1")->queued, 5U);
  EXPECT_EQ(parse_haproxy_stat(kStat, "web", "s2")->connections_max, 0U) << "no limit";
  EXPECT_EQ(parse_haproxy_stat(kStat, "web", "s3").error().code, Code::kNotFound);
  EXPECT_EQ(parse_haproxy_stat("No such backend.\n", "web", "s1").error().code, Code::kNotFound);
  EXPECT_EQ(parse_haproxy_stat("# pxname,svname,qcur,slim\nweb,s1,x,\n", "web", "s1").error().code,
            Code::kInvalid);
}

TEST(HaproxyAnswer, NamesCannotBecomeCommands) {
  EXPECT_TRUE(good_haproxy_name("web-01.a:b_c"));
  for (const char* bad : {"", "a b", "a/b", "a;b", "a\nshutdown"})
    EXPECT_FALSE(good_haproxy_name(bad)) << bad;
}

struct HaproxyTest : ::testing::Test {
  domain::testing::TemporaryDirectory directory;
  net::TcpListener backend = *net::TcpListener::listen({"127.0.0.1", 0});
  std::optional<ProcessName> haproxy;
  std::uint16_t front = 0;
  HaproxyServer server;
  std::unique_ptr<HaproxyEnd> end;

  void SetUp() override {
    if (!std::filesystem::exists("/usr/sbin/haproxy")) GTEST_SKIP() << "no haproxy: tools/setup balance";
    {
      const auto free = net::TcpListener::listen({"127.0.0.1", 0});
      front = free->port();
    }
    server = {(directory.path() / "h.sock").string(), "web", "s1", "vm-1"};
    const std::string config = fmt::format(
        "global\n  stats socket {} mode 600 level admin\ndefaults\n  mode tcp\n  timeout connect 5s\n"
        "  timeout client 50s\n  timeout server 50s\n  timeout queue 20s\nfrontend f\n  bind 127.0.0.1:{}\n"
        "  default_backend web\nbackend web\n  server s1 127.0.0.1:{} check maxconn 7\n"
        "  server s2 127.0.0.1:{} check disabled\n",
        server.socket, front, backend.port(), backend.port());
    ASSERT_TRUE(file::write_atomic(directory.path() / "h.cfg", std::string_view(config)));
    start_haproxy();
    open();
  }
  void TearDown() override {
    end.reset();
    stop_haproxy();
  }
  void start_haproxy() {
    const auto started =
        process::spawn({.argv = {"/usr/sbin/haproxy", "-db", "-f", (directory.path() / "h.cfg").string()},
                        .output = directory.path() / "h.log",
                        .fds = {},
                        .drop_to = {}});
    ASSERT_TRUE(started) << started.error().message;
    haproxy = *started;
    ASSERT_TRUE(eventually([&] { return haproxy_limits(server).has_value(); }))
        << file::read_text(directory.path() / "h.log", 65536).value_or("");
  }
  void stop_haproxy() {
    if (haproxy) (void)process::kill_hard(*haproxy, Deadline::in(Milliseconds{10'000}));
    haproxy.reset();
  }
  file::Path state() const { return directory.path() / "haproxy.json"; }
  void open() {
    end.reset();
    HaproxyServer unlimited = server;
    unlimited.server = "s2";
    unlimited.vm = "vm-2";
    auto opened = HaproxyEnd::open(state(), {server, unlimited});
    ASSERT_TRUE(opened) << opened.error().message;
    end = std::move(*opened);
  }
  void tell(MoveEventKind kind, std::uint64_t epoch = 1, int vm = 1) {
    Batch batch{
        .stream = "0123456789abcdef", .whole = false, .last = 1, .events = {event_of(vm, epoch, kind)}};
    end->take(host_name("zurich"), batch);
  }
  std::uint32_t limit(const std::string& name = "s1") {
    HaproxyServer asked = server;
    asked.server = name;
    const auto limits = haproxy_limits(asked);
    EXPECT_TRUE(limits) << limits.error().message;
    return limits ? limits->connections_max : 0;
  }
  bool checks() { return haproxy_checks(server).value_or(false); }
  bool as_before() { return limit() == 7 && checks(); }
};

TEST_F(HaproxyTest, ASwitchHoldsAndItsEndPutsEverythingBack) {
  ASSERT_TRUE(eventually([&] { return as_before(); }));
  std::uint64_t epoch = 1;
  for (const MoveEventKind ended : {kMoved, kAborted}) {
    tell(kMoving, epoch);
    EXPECT_TRUE(as_before());
    tell(kSwitching, epoch);
    EXPECT_EQ(limit(), 1U);
    EXPECT_FALSE(checks());
    tell(ended, epoch++);
    EXPECT_TRUE(eventually([&] { return as_before(); }));
  }
  tell(kSwitching, 1, 2);
  EXPECT_EQ(limit("s2"), 1U);
  tell(kMoved, 1, 2);
  EXPECT_TRUE(eventually([&] { return limit("s2") == 0; })) << "no limit again";
  EXPECT_EQ(decode_held(*file::read_text(state(), 4096))->size(), 0U);
}

TEST_F(HaproxyTest, WhoWaitedIsServedAfterTheRelease) {
  tell(kSwitching);
  std::vector<net::TcpStream> clients;
  for (int i = 0; i < 3; ++i) {
    auto client = net::TcpStream::connect({"127.0.0.1", front}, Deadline::in(Milliseconds{5'000}), {});
    ASSERT_TRUE(client);
    clients.push_back(std::move(*client));
  }
  EXPECT_TRUE(eventually([&] { return haproxy_limits(server)->queued == 2; })) << "one slips through";
  tell(kMoved);
  EXPECT_TRUE(eventually([&] { return haproxy_limits(server)->queued == 0 && as_before(); }));
}

TEST_F(HaproxyTest, ADaemonThatCrashedLeavesNothingForLong) {
  tell(kSwitching);
  EXPECT_EQ(limit(), 1U);
  // The file as a crash leaves it: the end in this test would tidy up when it goes.
  const std::string left = *file::read_text(state(), 4096);
  EXPECT_EQ(decode_held(left)->front().before.connections_max, 7U);
  end.reset();
  ASSERT_TRUE(eventually([&] { return limit() == 7; }));
  ASSERT_TRUE(set_haproxy_connections_max(server, 1));
  ASSERT_TRUE(set_haproxy_checks(server, false));
  ASSERT_TRUE(file::write_atomic(state(), std::string_view(left)));
  open();
  EXPECT_TRUE(eventually([&] { return as_before(); }));
}

TEST_F(HaproxyTest, FailsOpenWhenTheStreamIsLostOrItsHostKnowsOfNoMove) {
  tell(kSwitching);
  end->lost(host_name("bern"), {Code::kUnavailable, "gone"});
  EXPECT_EQ(limit(), 1U) << "another host's";
  end->lost(host_name("zurich"), {Code::kUnavailable, "gone"});
  EXPECT_TRUE(eventually([&] { return as_before(); }));
  tell(kSwitching, 2);
  EXPECT_EQ(limit(), 1U);
  end->take(host_name("zurich"), {.stream = "0123456789abcdef", .whole = true, .last = 9, .events = {}});
  EXPECT_TRUE(eventually([&] { return as_before(); }));
}

TEST_F(HaproxyTest, ASilentHaproxyKeepsNoMoveUpAndIsPutBackWhenItAnswers) {
  tell(kSwitching);
  stop_haproxy();
  tell(kMoved);
  EXPECT_EQ(decode_held(*file::read_text(state(), 4096))->size(), 1U);
  tell(kSwitching, 2);
  tell(kAborted, 2);
  start_haproxy();
  EXPECT_TRUE(eventually([&] { return as_before(); }));
  EXPECT_TRUE(eventually([&] { return decode_held(*file::read_text(state(), 4096))->empty(); }));
}

}  // namespace
}  // namespace sealift::traffic
