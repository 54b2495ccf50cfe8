#include "net/socket.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include <unistd.h>

namespace sealift::net {
namespace {

const Deadline kSoon = Deadline::in(Milliseconds{20'000});

TEST(Endpoint, ParsesNamesAddressesAndPorts) {
  EXPECT_EQ(*Endpoint::parse("bern.example:99"), (Endpoint{"bern.example", 99}));
  EXPECT_EQ(*Endpoint::parse("192.0.2.7"), (Endpoint{"192.0.2.7", kDefaultPort}));
  EXPECT_EQ(*Endpoint::parse("[2001:db8::1]:7"), (Endpoint{"2001:db8::1", 7}));
  EXPECT_EQ(Endpoint::parse("[::1]")->text(), "[::1]:7420");
}

TEST(Endpoint, RefusesWhatIsNoEndpoint) {
  for (const char* text : {"", ":", ":80", "a:0", "a:65536", "a:x", "a:1x", "::1", "[::1", "[::1]x",
                           "[bern]:1", "a b:1", "a/b", "a:"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

TEST(Socket, CarriesBytesBothWaysAndTheEnd) {
  auto [a, b] = make_pipe();
  std::jthread echo([&b] {
    Bytes got(3);
    ASSERT_TRUE(read_exact(b, got, kSoon, {}));
    ASSERT_TRUE(b.write_all(got, kSoon, {}));
    b.shutdown_write();
  });
  ASSERT_TRUE(a.write_all(as_bytes("abc"), kSoon, {}));
  Bytes back(3);
  ASSERT_TRUE(read_exact(a, back, kSoon, {}));
  EXPECT_EQ(as_text(back), "abc");
  EXPECT_EQ(*a.read_some(back, kSoon, {}), 0U);
}

TEST(Socket, EndWithinAValueIsALossNotAnEnd) {
  auto [a, b] = make_pipe();
  ASSERT_TRUE(b.write_all(as_bytes("ab"), kSoon, {}));
  b.shutdown_write();
  Bytes three(3);
  EXPECT_EQ(read_exact(a, three, kSoon, {}).error().code, Code::kUnavailable);
}

TEST(Socket, DeadlineStopAndCloseWakeABlockedRead) {
  auto [a, b] = make_pipe();
  Bytes byte(1);
  EXPECT_EQ(a.read_some(byte, Deadline::in(Milliseconds{5}), {}).error().code, Code::kTimeout);

  StopSource source;
  std::jthread stopper([&source] { source.stop(); });
  EXPECT_EQ(a.read_some(byte, Deadline::never(), source.token()).error().code, Code::kCancelled);

  std::jthread closer([&a] { a.close(); });
  EXPECT_EQ(a.read_some(byte, Deadline::never(), {}).error().code, Code::kClosed);
  EXPECT_FALSE(a.write_all(byte, kSoon, {}));
}

TEST(Socket, WritingToAClosedPeerIsAnErrorAndNoSignal) {
  auto [a, b] = make_pipe();
  {
    const UnixStream gone = std::move(b);
  }
  EXPECT_EQ(a.write_all(as_bytes("x"), kSoon, {}).error().code, Code::kUnavailable);
}

TEST(Socket, IdleAndOpenTellsDataAndEndFromSilence) {
  auto [a, b] = make_pipe();
  EXPECT_TRUE(a.idle_and_open());
  ASSERT_TRUE(b.write_all(as_bytes("x"), kSoon, {}));
  EXPECT_FALSE(a.idle_and_open());
  Bytes byte(1);
  ASSERT_TRUE(read_exact(a, byte, kSoon, {}));
  EXPECT_TRUE(a.idle_and_open());
  b.close();
  EXPECT_FALSE(a.idle_and_open());
}

TEST(Tcp, ListensOnBothFamiliesAndConnectsByEither) {
  auto listener = TcpListener::listen({"", 0});
  ASSERT_TRUE(listener);
  for (const char* host : {"127.0.0.1", "::1"}) {
    auto out = TcpStream::connect({host, listener->port()}, kSoon, {});
    if (!out && std::string_view(host) == "::1") continue;  // a kernel without IPv6
    ASSERT_TRUE(out) << out.error().message;
    auto in = listener->accept(kSoon, {});
    ASSERT_TRUE(in);
    ASSERT_TRUE(out->write_all(as_bytes("hi"), kSoon, {}));
    Bytes peeked(2);
    Bytes got(2);
    EXPECT_GE(*in->peek(peeked, kSoon, {}), 1U);
    ASSERT_TRUE(read_exact(*in, got, kSoon, {}));
    EXPECT_EQ(as_text(got), "hi");
  }
}

TEST(Tcp, NobodyThereIsUnavailable) {
  std::uint16_t port = 0;
  {
    port = TcpListener::listen({"127.0.0.1", 0})->port();
  }
  EXPECT_EQ(TcpStream::connect({"127.0.0.1", port}, kSoon, {}).error().code, Code::kUnavailable);
}

TEST(Unix, TellsWhoIsAtTheOtherEndAndRemovesItsFile) {
  const file::Path path =
      std::filesystem::temp_directory_path() / fmt::format("sealift-socket-{}", ::getpid());
  {
    auto listener = UnixListener::listen(path);
    ASSERT_TRUE(listener);
    auto out = UnixStream::connect(path, kSoon, {});
    ASSERT_TRUE(out);
    auto in = listener->accept(kSoon, {});
    ASSERT_TRUE(in);
    EXPECT_EQ(in->credentials()->pid, ::getpid());
    EXPECT_EQ(in->credentials()->uid, ::getuid());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(UnixStream::connect(path, kSoon, {}).error().code, Code::kNotFound);
  EXPECT_EQ(UnixListener::listen(std::string(200, 'x')).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace sealift::net
