#include "net/admission.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sealift::net {
namespace {

TEST(Admission, OneSourceCannotTakeEveryPlace) {
  Admission admission({.unauthenticated_max = 4, .unauthenticated_per_source = 2});
  std::vector<std::unique_ptr<Admission::Ticket>> tickets;
  tickets.push_back(admission.enter("192.0.2.1"));
  tickets.push_back(admission.enter("192.0.2.1"));
  EXPECT_EQ(admission.enter("192.0.2.1"), nullptr);
  EXPECT_NE(admission.enter("192.0.2.2"), nullptr);  // and it is given back at once
  tickets.push_back(admission.enter("192.0.2.2"));
  tickets.push_back(admission.enter("192.0.2.3"));
  EXPECT_EQ(admission.enter("192.0.2.4"), nullptr) << "four are unknown already";
  EXPECT_EQ(admission.connections(), 4U);
}

TEST(Admission, AKnownPeerLeavesItsSourcesPlaceToOthers) {
  Admission admission({.unauthenticated_max = 1, .unauthenticated_per_source = 1});
  auto known = admission.enter("192.0.2.1");
  EXPECT_EQ(admission.enter("192.0.2.1"), nullptr);
  EXPECT_TRUE(known->authenticated(std::nullopt));
  EXPECT_TRUE(known->authenticated(std::nullopt)) << "said twice counts once";
  EXPECT_NE(admission.enter("192.0.2.1"), nullptr);
  EXPECT_EQ(admission.connections(), 1U);
  known.reset();
  EXPECT_EQ(admission.connections(), 0U);
}

TEST(Admission, OnePeerCannotHoldEveryConnection) {
  const auto key = crypto::Identity::generate().public_key();
  Admission admission({.connections_max = 3, .connections_per_peer = 1});
  auto first = admission.enter("192.0.2.1");
  auto second = admission.enter("192.0.2.1");
  EXPECT_TRUE(first->authenticated(key));
  EXPECT_FALSE(second->authenticated(key));
  EXPECT_TRUE(second->authenticated(crypto::Identity::generate().public_key()));
  first.reset();
  auto third = admission.enter("192.0.2.1");
  EXPECT_TRUE(third->authenticated(key));
  auto fourth = admission.enter("192.0.2.1");
  EXPECT_NE(fourth, nullptr);
  EXPECT_EQ(admission.enter("192.0.2.1"), nullptr) << "all three are taken";
}

}  // namespace
}  // namespace sealift::net
