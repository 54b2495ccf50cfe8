#include <gtest/gtest.h>

#include "balance/probe.hpp"
#include "balance/proxy_header.hpp"

namespace sealift::balance {
namespace {

const Address kClient4 = *Address::parse("192.0.2.7:40112"), kTarget4 = *Address::parse("198.51.100.1:443");
const Address kClient6 = *Address::parse("[2001:db8::7]:40112");

TEST(ProxyHeader, RoundTripsEachVersionAndFamilyByteByByte) {
  for (const ProxyVersion version : {ProxyVersion::kV1, ProxyVersion::kV2}) {
    for (const Address& client : {kClient4, kClient6}) {
      Bytes bytes = encode_proxy_header(version, client, kTarget4);
      const std::size_t whole = bytes.size();
      bytes.push_back('G');
      for (std::size_t size = 0; size <= bytes.size(); ++size) {
        const auto header = decode_proxy_header(ByteView(bytes).first(size));
        ASSERT_TRUE(header) << header.error().message;
        ASSERT_EQ(header->has_value(), size >= whole);
        if (size < whole) continue;
        EXPECT_EQ((*header)->bytes, whole);
        EXPECT_EQ((*header)->client, client);
        EXPECT_EQ((*header)->target->port, 443);
      }
    }
  }
  EXPECT_EQ(as_text(encode_proxy_header(ProxyVersion::kV1, kClient4, kTarget4)),
            "PROXY TCP4 192.0.2.7 198.51.100.1 40112 443\r\n");
}

TEST(ProxyHeader, TakesUnknownAndLocalWithoutAnAddress) {
  const auto unknown = decode_proxy_header(as_bytes("PROXY UNKNOWN whatever follows\r\nGET"));
  ASSERT_TRUE(unknown && *unknown);
  EXPECT_FALSE((*unknown)->client);
  Bytes local = encode_proxy_header(ProxyVersion::kV2, kClient4, kTarget4);
  local[12] = 0x20;
  ASSERT_TRUE(*decode_proxy_header(local));
  EXPECT_FALSE((*decode_proxy_header(local))->client);
}

TEST(ProxyHeader, RefusesWhatIsNone) {
  for (const std::string_view text :
       {"GET / HTTP/1.1\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 40112\r\n", "PROXY TCP4 a b 1 2\r\n",
        "PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 70000 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"})
    EXPECT_FALSE(decode_proxy_header(as_bytes(text))) << text;
  EXPECT_FALSE(decode_proxy_header(as_bytes("PROXY " + std::string(200, 'x'))));
  Bytes huge = encode_proxy_header(ProxyVersion::kV2, kClient4, kTarget4);
  huge[14] = 0xff;
  EXPECT_FALSE(decode_proxy_header(huge));
  Bytes brief = encode_proxy_header(ProxyVersion::kV2, kClient6, kTarget4);
  brief[15] = 12;
  EXPECT_FALSE(decode_proxy_header(brief)) << "shorter than its addresses";
}

TEST(HealthAnswer, JudgesHttpByStatus) {
  HealthSpec spec;
  spec.kind = CheckKind::kHttp;
  const auto judge = [&](std::string_view text, bool ended = false) {
    return judge_health(spec, as_bytes(text), ended).answer;
  };
  EXPECT_EQ(judge("HTTP/1.1 200 OK\r\n"), Answer::kGood);
  EXPECT_EQ(judge("HTTP/1.0 302"), Answer::kMore);
  EXPECT_EQ(judge("HTTP/1.0 302", true), Answer::kGood);
  EXPECT_EQ(judge("HTTP/1.1 503 Busy\r\n"), Answer::kBad);
  EXPECT_EQ(judge("HTT"), Answer::kMore);
  EXPECT_EQ(judge("HTT", true), Answer::kBad);
  for (const std::string_view bad : {"SSH-2.0", "HTTP/1.1 2000\r\n", "HTTP/1.1 abc\r\n", "HTTP/1.1x200 OK"})
    EXPECT_EQ(judge(bad), Answer::kBad) << bad;
}

TEST(HealthAnswer, JudgesTlsByItsFirstMessage) {
  HealthSpec spec;
  spec.kind = CheckKind::kTls;
  const auto judge = [&](Bytes bytes, bool ended = false) { return judge_health(spec, bytes, ended).answer; };
  EXPECT_EQ(judge({22, 3, 3, 0, 90, 2}), Answer::kGood);
  EXPECT_EQ(judge({22, 3, 3}), Answer::kMore);
  EXPECT_EQ(judge({22, 3, 3}, true), Answer::kBad);
  EXPECT_EQ(judge({21, 3, 3, 0, 2, 2, 40}), Answer::kBad);
  EXPECT_EQ(judge({'H', 'T'}), Answer::kBad);
}

TEST(AgentLine, ReadsHaproxysWords) {
  const auto read = [](std::string_view text, bool ended = false) {
    return read_agent_line(as_bytes(text), ended);
  };
  EXPECT_FALSE(read("75").value().has_value()) << "the line goes on";
  const AgentReport report = **read("up 75%, ready # quite well\n");
  EXPECT_EQ(report.percent, 75U);
  EXPECT_EQ(report.state, AgentReport::State::kUp);
  EXPECT_EQ(report.admin, AgentReport::Admin::kReady);
  EXPECT_EQ((**read("drain", true)).admin, AgentReport::Admin::kDrain);
  EXPECT_EQ((**read("down#disk full\n")).state, AgentReport::State::kDown);
  EXPECT_EQ((**read("900%\n")).percent, 100U);
  EXPECT_FALSE(read("hello\n"));
  EXPECT_FALSE(read("\n"));
  EXPECT_FALSE(read("-5%\n"));
  EXPECT_FALSE(read(std::string(300, 'x')));
}

}  // namespace
}  // namespace sealift::balance
