#include "host/config.hpp"

#include <gtest/gtest.h>

namespace sealift::host {
namespace {

Result<HostConfig> parse(std::string_view toml) {
  return parse_config(toml, "sealift.toml", "/state");
}

TEST(HostConfig, NothingAtAllIsAHostThatWorks) {
  const auto config = parse("");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->listen, "[::]:7420");
  EXPECT_EQ(config->pools.at("default"), file::Path("/state/pools/default"));
  EXPECT_EQ(describe(config->networks.at("default")), "user");
  EXPECT_FALSE(config->accept.from);
  EXPECT_TRUE(load_config({}, "/no/such/state"));
  EXPECT_EQ(load_config("/no/such/file", "/state").error().code, Code::kNotFound);
}

TEST(HostConfig, ReadsEveryKey) {
  const auto config = parse(R"(
listen = "127.0.0.1:0"
advertise = ["zurich:7420"]
http = "127.0.0.1:7421"
log_level = "debug"
[qemu]
program = "qemu"
user = "root"
accelerator = "tcg"
[networks.prod-10]
bridge = "br0"
vlan = 10
[networks.lab]
forward = ["8080:80"]
[pools.fast]
path = "/srv/fast"
[accept]
from = ["zurich"]
memory = "64GiB"
disk = "1T"
moves = 2
[quarantine]
days = 7
[shutdown]
seconds = 5
)");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(describe(config->networks.at("prod-10")), "br0.10");
  EXPECT_EQ(std::get<hypervisor::UserNetwork>(config->networks.at("lab")).forwards.at(0).guest_port, 80);
  EXPECT_EQ(config->pools.at("fast"), file::Path("/srv/fast"));
  EXPECT_EQ(config->accept.memory_bytes, 64ULL << 30);
  EXPECT_EQ(config->accept.from->at(0), "zurich");
  EXPECT_EQ(config->quarantine_days, 7U);
  EXPECT_EQ(config->accelerator, hypervisor::Accelerator::kTcg);
  EXPECT_FALSE(config->outgoing_only());
  EXPECT_TRUE(parse("advertise = [\"none\"]")->outgoing_only());
}

TEST(HostConfig, ErrorsNameFileLineAndKey) {
  const std::vector<std::pair<std::string_view, std::string_view>> table{
      {"lisen = \"x\"", "sealift.toml:1: key 'lisen': there is no such key"},
      {"log_level = \"loud\"", "sealift.toml:1: key 'log_level': must be \"debug\" or"},
      {"advertise = [\"none\", \"a:1\"]", "sealift.toml:1: key 'advertise': is either addresses or"},
      {"[networks.a]\nvlan = 10", "sealift.toml:2: key 'vlan': needs a bridge"},
      {"[networks.a]\nbridge = \"br0\"\nvlan = 5000", "sealift.toml:3: key 'vlan': must be a whole number"},
      {"[networks.a]\nbridge = \"../br0\"", "sealift.toml:2: key 'bridge'"},
      {"[networks.a]\nforward = [\"80\"]", "sealift.toml:2: key 'forward': '80' is not of the form"},
      {"[networks]\na = 1", "sealift.toml:2: key 'a': must be a table: [networks.a]"},
      {"[pools.fast]\n", "sealift.toml:1: key 'path': is missing"},
      {"[pools.fast]\npath = \"srv\"", "sealift.toml:2: key 'path': must be absolute"},
      {"[accept]\nmemory = \"lots\"", "sealift.toml:2: key 'memory': must be a size"},
      {"a = [", "sealift.toml:1: not valid TOML"},
  };
  for (const auto& [toml, says] : table) {
    const auto config = parse(toml);
    ASSERT_FALSE(config) << toml;
    EXPECT_NE(config.error().message.find(says), std::string::npos) << toml << "\n" << config.error().message;
  }
}

TEST(HostConfig, TheTextOfHostInitIsValidAndSaysTheDefaults) {
  std::string uncommented;
  EXPECT_TRUE(parse(default_config_text()));
  std::string_view rest = default_config_text();
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.starts_with("# ") && (line.find(" = ") != std::string_view::npos || line.starts_with("# [")))
      uncommented += std::string(line.substr(2)) + "\n";
  }
  const auto config = parse(uncommented);
  EXPECT_TRUE(config) << config.error().message << "\n" << uncommented;
}

}  // namespace
}  // namespace sealift::host
