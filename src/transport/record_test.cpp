#include "transport/record.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "transport/attach.hpp"
#include "transport/control.hpp"

namespace sealift::transport {
namespace {

std::array<std::uint8_t, kRecordHeaderBytes> encoded(const RecordHeader& header) {
  std::array<std::uint8_t, kRecordHeaderBytes> bytes{};
  encode_record_header(header, bytes);
  return bytes;
}

TEST(Record, HeadersRoundTripAndNoFlippedBitReadsAsTheSame) {
  for (const RecordHeader& header :
       {RecordHeader{.kind = RecordKind::kData, .stream = 32, .sequence = 7, .length = 4096},
        RecordHeader{.kind = RecordKind::kLast, .stream = 1, .sequence = 1ULL << 40},
        RecordHeader{.kind = RecordKind::kAck, .sequence = 3, .length = 18}}) {
    const auto good = encoded(header);
    ASSERT_EQ(*decode_record_header(good), header);
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      auto bad = good;
      bad[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      const auto decoded = decode_record_header(bad);
      EXPECT_TRUE(!decoded || *decoded != header) << bit;
    }
  }
}

TEST(Record, RefusesLengthsAndStreamsThatDoNotFitTheKind) {
  EXPECT_FALSE(decode_record_header(encoded({.kind = RecordKind::kData, .stream = 1, .length = 0})));
  EXPECT_FALSE(
      decode_record_header(encoded({.kind = RecordKind::kData, .stream = 1, .length = kRecordBytesMax + 1})));
  EXPECT_FALSE(decode_record_header(encoded({.kind = RecordKind::kData, .stream = 0, .length = 1})));
  EXPECT_FALSE(decode_record_header(encoded({.kind = RecordKind::kLast, .stream = 1, .length = 1})));
  EXPECT_FALSE(decode_record_header(encoded({.kind = RecordKind::kAck, .stream = 1, .length = 18})));
  EXPECT_FALSE(decode_record_header(
      encoded({.kind = RecordKind::kResume, .length = static_cast<std::uint32_t>(kLinkBodyBytesMax + 1)})));
}

TEST(Record, PositionsRoundTripAndRefuseCutsRepeatsAndTheImpossible) {
  const std::vector<StreamPosition> list{{.stream = 1, .received = 9, .taken = 4}, {.stream = 2}};
  const Bytes body = encode_positions(list);
  EXPECT_EQ(*decode_positions(body), list);
  EXPECT_FALSE(decode_positions(ByteView(body).first(body.size() - 1)));
  EXPECT_FALSE(decode_positions(encode_positions({{.stream = 1}, {.stream = 1}})));
  EXPECT_FALSE(decode_positions(encode_positions({{.stream = 0}})));
  EXPECT_FALSE(decode_positions(encode_positions({{.stream = 1, .received = 1, .taken = 2}})));
  EXPECT_LE(kStreamsMax * kStreamPositionBytes, kLinkBodyBytesMax);
}

TEST(Keys, DifferByStreamDirectionGroupAndConnection) {
  const crypto::Secret session = crypto::Secret(Bytes(32, 7));
  std::vector<std::string> keys;
  for (const Side side : {Side::kInitiator, Side::kAcceptor}) {
    for (const StreamId stream : {StreamId{1}, StreamId{2}, StreamId{256}}) {
      for (const std::uint64_t group : {0ULL, 1ULL}) {
        keys.push_back(hex(stream_key(session, side, stream, group).reveal()));
      }
    }
    for (const char* nonce : {"a", "b"}) {
      keys.push_back(hex(link_key(session, side, crypto::sha256(as_bytes(nonce))).reveal()));
    }
  }
  keys.push_back(hex(attach_key(session).reveal()));
  std::ranges::sort(keys);
  EXPECT_EQ(std::ranges::adjacent_find(keys), keys.end());
}

struct Attached {
  Result<crypto::Digest> initiator = fail(Code::kInternal, "not run");
  Result<crypto::Digest> acceptor = fail(Code::kInternal, "not run");
};

Attached attach_both(const crypto::Secret& one, const crypto::Secret& other) {
  auto listener = net::TcpListener::listen({"127.0.0.1", 0});
  const Deadline deadline = Deadline::in(Milliseconds{20'000});
  Attached result;
  std::jthread dialler([&] {
    auto stream = net::TcpStream::connect({"127.0.0.1", listener->port()}, deadline, {});
    AttachRequest request{.link = 1};
    system_random().fill(request.nonce);
    result.initiator = attach(*stream, request, one, deadline, {});
  });
  auto stream = listener->accept(deadline, {});
  const auto request = receive_attach(*stream, deadline, {});
  result.acceptor = answer_attach(*stream, *request, other, system_random(), deadline, {});
  dialler.join();
  return result;
}

TEST(Attach, BothEndsAgreeAndNoTwoConnectionsAreTheSame) {
  const crypto::Secret secret = crypto::Secret::random(32);
  const Attached first = attach_both(secret, secret);
  const Attached second = attach_both(secret, secret);
  ASSERT_TRUE(first.initiator && first.acceptor && second.initiator);
  EXPECT_EQ(*first.initiator, *first.acceptor);
  EXPECT_NE(*first.initiator, *second.initiator);
}

TEST(Attach, WhoDoesNotKnowTheSecretIsRefusedByEither) {
  const Attached result = attach_both(crypto::Secret::random(32), crypto::Secret::random(32));
  EXPECT_EQ(result.initiator.error().code, Code::kUnauthorized);
  EXPECT_FALSE(result.acceptor);
}

TEST(Control, BodiesRoundTripAndRefuseEveryCut) {
  const OpenRequest open{.session = {1, 2, 3},
                         .wanted = {.connections = 2, .window_bytes = 1 << 24, .streams_max = 32}};
  const Bytes body = encode_open(open);
  ASSERT_TRUE(decode_open(body));
  EXPECT_EQ(decode_open(body)->wanted, open.wanted);
  for (std::size_t cut = 0; cut < body.size(); ++cut) EXPECT_FALSE(decode_open(ByteView(body).first(cut)));
  Bytes newer = body;
  newer[0] = 9;
  EXPECT_EQ(decode_open(newer).error().code, Code::kUnsupported);
  EXPECT_EQ(decode_rejoin(encode_rejoin({.session = {4}, .received = 77}))->received, 77U);
  EXPECT_FALSE(decode_count(encode_rejoin({})));
  EXPECT_FALSE(
      decode_agreement(encode_agreement({.connections = 0, .window_bytes = 1 << 24, .streams_max = 1})));
  EXPECT_FALSE(
      decode_agreement(encode_agreement({.connections = 1, .window_bytes = 4096, .streams_max = 1})));
}

}  // namespace
}  // namespace sealift::transport
