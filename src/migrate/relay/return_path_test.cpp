#include "migrate/relay/return_path.hpp"

#include <gtest/gtest.h>

namespace sealift::migrate {
namespace {

const Bytes kAck = {0, 7, 0, 0};
const Bytes kPong = {0, 2, 0, 4, 0, 0, 0, 1};
const Bytes kShut = {0, 1, 0, 4, 0, 0, 0, 0};

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

TEST(ReturnPath, PassesOnlyPongHoweverTheBytesArrive) {
  const Bytes stream = joined({kAck, kPong, kPong, kShut});
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    ReturnPathFilter filter;
    Bytes forward;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      ASSERT_TRUE(filter.feed(ByteView(stream).subspan(at, std::min(piece, stream.size() - at)), forward));
    }
    EXPECT_EQ(forward, joined({kPong, kPong}));
    EXPECT_TRUE(filter.acknowledged());
    EXPECT_EQ(filter.shut(), 0U);
  }
}

TEST(ReturnPath, RefusesWhatIsNoPreCopy) {
  const std::initializer_list<Bytes> hostile = {
      {0, 3, 0, 4, 0, 0, 0, 0},     // request for pages: post-copy
      {0, 2, 0, 5, 0, 0, 0, 0, 0},  // PONG of a wrong length
      {0, 7, 0, 1, 0},              // an acknowledgement with a payload
      {0xff, 0xff, 0xff, 0xff},     // nothing known
      joined({kShut, {0}}),         // something after the end
      {0, 1, 0xff, 0xff},           // a huge length
  };
  for (const Bytes& bytes : hostile) {
    ReturnPathFilter filter;
    Bytes forward;
    EXPECT_EQ(filter.feed(bytes, forward).error().code, Code::kCorrupt) << hex(bytes);
    EXPECT_TRUE(forward.empty());
  }
}

TEST(ReturnPath, KeepsTheErrorThatTheDestinationReports) {
  ReturnPathFilter filter;
  Bytes forward;
  ASSERT_TRUE(filter.feed(Bytes{0, 1, 0, 4, 0, 0, 0, 1}, forward));
  EXPECT_EQ(filter.shut(), 1U);
}

}  // namespace
}  // namespace sealift::migrate
