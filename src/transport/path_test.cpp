// Attacks on whole connections: attachments, replays, cuts at every place, and the control connection's TLS.

#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "transport/session.hpp"
#include "transport/test_attack.hpp"

namespace sealift::transport::testing {
namespace {

TEST(Attack, AFlippedAttachmentIsRefusedAndTheNextOneHolds) {
  for (const Unit::Kind kind :
       {Unit::Kind::kAttachRequest, Unit::Kind::kAttachAnswer, Unit::Kind::kAttachProof}) {
    for (const std::size_t at : {std::size_t{10}, std::size_t{31}}) {
      bool done = false;
      expect_whole(attack([&](Unit& unit) {
        if (done || unit.kind != kind) return;
        done = true;
        unit.out[0][at] ^= 1;
      }));
      EXPECT_TRUE(done);
    }
  }
}

TEST(Attack, AReplayedConnectionOfTheSameSessionIsRefused) {
  // Everything that the initiator sent on a first connection, played again to the acceptor by a stranger.
  std::vector<Bytes> recorded;
  RelayedPair pair;
  ASSERT_NO_FATAL_FAILURE(pair.connect([&](Unit& unit) {
    if (unit.kind != Unit::Kind::kTls && unit.way == Way::kForward && unit.link == 1) {
      recorded.push_back(unit.bytes);
    }
  }));
  std::jthread writer([&] { write_quietly(*pair.initiator, 1); });
  EXPECT_FALSE(read_checked(*pair.accepted, 1));
  writer.join();
  pair.relay->set_hook({});
  auto stranger = net::TcpStream::connect(pair.endpoint(), Deadline::in(5s), {});
  ASSERT_TRUE(stranger);
  for (const Bytes& bytes : recorded) {
    if (!stranger->write_all(bytes, Deadline::in(5s), {})) break;
  }
  Bytes answer(4096);  // a fresh nonce and its MAC, then the end
  while (true) {
    const auto got = stranger->read_some(answer, Deadline::in(30s), {});
    if (!got || *got == 0) break;
  }
  EXPECT_TRUE(pair.initiator->close(Deadline::in(30s), {}));  // the session is as it was
}

TEST(Attack, AFlippedByteInTlsDeliversNothing) {
  std::size_t seen = 0;
  RelayedPair pair;
  ASSERT_NO_FATAL_FAILURE(pair.connect([&](Unit& unit) {
    if (unit.kind == Unit::Kind::kTls && unit.way == Way::kForward && unit.bytes.size() > 3000 &&
        seen++ == 0) {
      unit.out[0][unit.bytes.size() / 2] ^= 1;
    }
  }));
  ASSERT_TRUE(pair.initiator->send(Bytes(5000, 1)));
  EXPECT_EQ(pair.accepted->receive(Deadline::in(30s), {}).error().code, Code::kCorrupt);
  EXPECT_EQ(pair.initiator->receive(Deadline::in(30s), {}).error().code, Code::kCorrupt);
}

class Cut : public ::testing::TestWithParam<int> {};

TEST_P(Cut, AtEveryFrameBoundaryAndWithinIsMadeGoodByReconnection) {
  const int where = GetParam();
  int cuts = 0;
  expect_whole(attack([&](Unit& unit) {
    if (cuts >= 2) return;
    const bool attach = unit.kind == Unit::Kind::kAttachRequest || unit.kind == Unit::Kind::kAttachAnswer ||
                        unit.kind == Unit::Kind::kAttachProof;
    const bool hit = (where == 0 && attach) || (where == 1 && unit.header.kind == RecordKind::kResume) ||
                     (where == 2 && unit.header.kind == RecordKind::kAck) ||
                     (where >= 3 && where <= 6 && unit.header.kind == RecordKind::kData &&
                      unit.header.sequence % 16 == 9) ||
                     (where == 7 && unit.header.kind == RecordKind::kLast);
    if (!hit || unit.kind == Unit::Kind::kTls) return;
    ++cuts;
    unit.cut = true;
    const std::size_t size = unit.bytes.size();
    const std::array<std::size_t, 8> keep{size - 1, size, size - 1, 0, 10, 24, size, size - 1};
    unit.out[0].resize(keep[static_cast<std::size_t>(where)]);
  }));
  EXPECT_EQ(cuts, 2);
}
INSTANTIATE_TEST_SUITE_P(Places, Cut, ::testing::Range(0, 8));

}  // namespace
}  // namespace sealift::transport::testing
