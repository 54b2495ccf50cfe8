#include "balance/config.hpp"

#include <gtest/gtest.h>

namespace sealift::balance {
namespace {

constexpr std::string_view kGood = R"(
[balance]
threads = 2
control = "/run/sealift/balance.sock"
metrics = "127.0.0.1:9100"

[[listener]]
name = "web"
address = "0.0.0.0:80"
pool = "web"
  [[listener.route]]
  networks = ["10.0.0.0/8", "2001:db8::/32"]
  pool = "farm"

[pool.web]
algorithm = "ip-hash"
hash_bits_v4 = 24
all_down = "hold"
send_proxy = "v2"
  [pool.web.health]
  check = "http"
  path = "/healthz"
  status_max = 204
  [[pool.web.server]]
  name = "a"
  address = "192.0.2.1:8080"
  weight = 3
  vm = "web-01"
  [[pool.web.server]]
  name = "b"
  address = "[2001:db8::1]:8080"
  backup = true

[pool.farm]
)";

TEST(BalanceConfig, ReadsEveryKind) {
  const auto config = parse_config(kGood, "b.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->threads, 2U);
  ASSERT_EQ(config->listeners.size(), 1U);
  EXPECT_EQ(config->listeners[0].routes.size(), 2U);
  EXPECT_EQ(config->listeners[0].routes[0].network.text(), "10.0.0.0/8");
  ASSERT_EQ(config->pools.size(), 2U);
  const PoolSpec& web = config->pools[1];
  EXPECT_EQ(web.algorithm, Algorithm::kIpHash);
  EXPECT_TRUE(web.wait_when_down);
  EXPECT_EQ(web.health.kind, CheckKind::kHttp);
  ASSERT_EQ(web.servers.size(), 2U);
  EXPECT_EQ(web.servers[0].vm, "web-01");
  EXPECT_EQ(web.servers[1].address.text(), "[2001:db8::1]:8080");
}

TEST(BalanceConfig, NamesFileLineAndKeyOfEveryProblem) {
  const auto config = parse_config(R"([[listener]]
name = "a b"
address = "localhost:80"
pool = "none"
[pool.p]
algorithm = "fastest"
speed = 3
[[pool.p.server]]
name = "x"
address = "192.0.2.1:0"
weight = 257
[[pool.p.server]]
name = "x"
address = "192.0.2.1:80"
)",
                                   "b.toml");
  ASSERT_FALSE(config);
  for (const std::string_view problem :
       {"b.toml:2: key 'name'", "b.toml:3: key 'address'", "b.toml:4: key 'pool'",
        "b.toml:6: key 'algorithm'", "b.toml:7: key 'speed': there is no such key",
        "b.toml:10: key 'address'", "b.toml:11: key 'weight'", "b.toml:13: key 'name': is used twice"})
    EXPECT_NE(config.error().message.find(problem), std::string::npos) << problem << "\n"
                                                                       << config.error().message;
}

TEST(BalanceConfig, RefusesWhatCannotWork) {
  for (const std::string_view text :
       {"", "[[listener]]\nname='a'\naddress='1.2.3.4:1'\n",  // no pool
        "[[listener]]\nname='a'\naddress='1.2.3.4:1'\npool='p'\n[pool.p]\nalgorithm='least-load'\n"
        "[[pool.p.server]]\nname='s'\naddress='1.2.3.4:2'\n",                                    // no agent
        "[[listener]]\nname='a'\naddress='1.2.3.4:1'\npool='p'\n[pool.p.health]\npath='/ x'\n",  // a space
        "[[listener]]\nname='a'\naddress='1.2.3.4:1'\npool='p'\n[[listener]]\nname='b'\naddress='1.2.3.4:1'\n"
        "pool='p'\n[pool.p]\n"})  // one address twice
    EXPECT_FALSE(parse_config(text, "b.toml")) << text;
  EXPECT_FALSE(parse_config(std::string(kConfigBytesMax + 1, '#'), "b.toml"));
}

TEST(BalanceAddress, RefusesNamesAndHalfAddresses) {
  for (const std::string_view text :
       {"", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "::1:80", "[1.2.3.4]:80", "[::1]", "a:80"})
    EXPECT_FALSE(Address::parse(text)) << text;
  EXPECT_EQ(Address::parse("[::ffff:192.0.2.1]:80")->text(), "192.0.2.1:80");
  for (const std::string_view text : {"10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "x/8"})
    EXPECT_FALSE(Network::parse(text)) << text;
  EXPECT_TRUE(Network::parse("::/0")->contains(*Address::parse("192.0.2.1:1")));
  EXPECT_FALSE(Network::parse("0.0.0.0/0")->contains(*Address::parse("[2001:db8::1]:1")));
}

}  // namespace
}  // namespace sealift::balance
