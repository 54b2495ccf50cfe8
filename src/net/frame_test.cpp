#include "net/frame.hpp"

#include <gtest/gtest.h>

#include <array>

#include "net/error_wire.hpp"
#include "net/hello.hpp"
#include "net/socket.hpp"

namespace sealift::net {
namespace {

const Deadline kSoon = Deadline::in(Milliseconds{20'000});

TEST(Frame, ArrivesAsSent) {
  auto [a, b] = make_pipe();
  ASSERT_TRUE(send_frame(a, FrameClass::kSession, 7, as_bytes("body"), kSoon, {}));
  ASSERT_TRUE(send_frame(a, FrameClass::kRpc, 8, {}, kSoon, {}));
  a.shutdown_write();
  const auto first = receive_frame(b, 4, kSoon, {});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->frame_class, FrameClass::kSession);
  EXPECT_EQ(first->type, 7);
  EXPECT_EQ(as_text(first->body), "body");
  EXPECT_EQ(receive_frame(b, 0, kSoon, {})->type, 8);
  EXPECT_EQ(receive_frame(b, 0, kSoon, {}).error().code, Code::kClosed);
}

TEST(Frame, TooLongIsRefusedByItsHeader) {
  auto [a, b] = make_pipe();
  std::array<std::uint8_t, kFrameHeaderBytes> header{};
  encode_frame_header({.length = 0xffffffff}, header);
  ASSERT_TRUE(a.write_all(header, kSoon, {}));
  EXPECT_EQ(receive_frame(b, 1 << 20, kSoon, {}).error().code, Code::kInvalid);
}

TEST(Frame, CutAnywhereIsNeverAWholeFrame) {
  Bytes whole(kFrameHeaderBytes + 3);
  encode_frame_header({.frame_class = FrameClass::kRpc, .length = 3},
                      std::span<std::uint8_t, kFrameHeaderBytes>(whole.data(), kFrameHeaderBytes));
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    auto [a, b] = make_pipe();
    ASSERT_TRUE(a.write_all(ByteView(whole).first(cut), kSoon, {}));
    a.shutdown_write();
    EXPECT_EQ(receive_frame(b, 16, kSoon, {}).error().code, Code::kUnavailable) << cut;
  }
}

TEST(Frame, EveryHeaderByteMatters) {
  std::array<std::uint8_t, kFrameHeaderBytes> good{};
  const FrameHeader header{.frame_class = FrameClass::kRpc, .type = 3, .length = 5};
  encode_frame_header(header, good);
  ASSERT_EQ(*decode_frame_header(good), header);
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] ^= 0x80;
    const auto decoded = decode_frame_header(bad);
    EXPECT_TRUE(!decoded || *decoded != header) << i;
  }
}

TEST(Frame, AnotherWireVersionIsNamedUnlessItIsAHello) {
  std::array<std::uint8_t, kFrameHeaderBytes> bytes{};
  encode_frame_header({.version = 9, .frame_class = FrameClass::kRpc}, bytes);
  const auto refused = decode_frame_header(bytes);
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
  EXPECT_NE(refused.error().message.find("version 9"), std::string::npos);
  encode_frame_header({.version = 9, .frame_class = FrameClass::kHello}, bytes);
  EXPECT_TRUE(decode_frame_header(bytes));
}

TEST(Hello, RoundTripsAndRefusesEveryCut) {
  const Hello hello{.versions = {1, 2}, .purpose = "move", .host_name = "bern", .domain = "d1"};
  const Bytes bytes = encode_hello(hello);
  EXPECT_EQ(*decode_hello(bytes), hello);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) EXPECT_FALSE(decode_hello(ByteView(bytes).first(cut)));
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_hello(longer));
  EXPECT_FALSE(
      decode_hello(encode_hello({.versions = {}, .purpose = "move", .host_name = "a", .domain = ""})));
  EXPECT_FALSE(decode_hello(encode_hello({.purpose = "Move!", .host_name = "a", .domain = ""})));
  EXPECT_FALSE(decode_hello(encode_hello({.purpose = "move", .host_name = "a\n", .domain = ""})));
}

TEST(Hello, AVersionMismatchNamesBothSidesAndWhomToUpgrade) {
  const Hello ours{.versions = {1}, .purpose = "move", .host_name = "bern", .domain = ""};
  const Hello newer{.versions = {2, 3}, .purpose = "move", .host_name = "zurich", .domain = ""};
  EXPECT_EQ(*common_version(ours, ours), 1);
  const auto none = common_version(ours, newer);
  EXPECT_EQ(none.error().code, Code::kUnsupported);
  EXPECT_EQ(none.error().message, "bern speaks wire version 1, zurich speaks 2, 3: upgrade sealift on bern");
}

TEST(ErrorWire, RoundTripsEveryCodeAndCutsControlCharacters) {
  for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
    const Error error{static_cast<Code>(i), "reason"};
    EXPECT_EQ(decode_error(encode_error(error))->code, error.code);
  }
  EXPECT_EQ(decode_error(encode_error({Code::kIo, "a\x1b[2Jb"}))->message, "a [2Jb");
  EXPECT_LE(encode_error({Code::kIo, std::string(5000, 'x')}).size(), kErrorBytesMax);
}

}  // namespace
}  // namespace sealift::net
