#include "migrate/protocol.hpp"

#include <gtest/gtest.h>

namespace sealift::migrate::protocol {

namespace {

Request request() {
  SeededRandom random(3);
  Request request;
  request.vm.id = ledger::VmId::make(random);
  request.vm.from = *ledger::HostName::parse("zurich");
  request.vm.definition.name = "web-01";
  request.vm.definition.memory_bytes = 256 << 20;
  request.vm.definition.disks = {{"vda", "default", 1 << 20, hypervisor::DiskFormat::kRaw}};
  request.vm.disks = {{"vda", "raw", 1 << 20, 4096}};
  request.vm.map_networks = {{"prod-10", "prod"}};
  request.channels = 2;
  request.clock_ms = 1234;
  return request;
}

std::string error_of(const std::string& text) {
  const auto message = decode(as_bytes(text));
  return message ? "" : message.error().message;
}

}  // namespace

TEST(MoveProtocol, EveryMessageComesBackAsItWas) {
  const std::vector<Message> messages = {Check{request(), {}},
                                         Checked{{"no space"}, {"a -> b"}, {}, 99},
                                         Probe{2},
                                         Begin{{crypto::sha256(as_bytes("m"))}, request()},
                                         Receiving{},
                                         Round{3, true},
                                         RoundDurable{3},
                                         Ready{},
                                         SealMessage{to_bytes("envelope")},
                                         Timing{1.5, 2, 3, 9},
                                         Cancelled{"because"}};
  ASSERT_EQ(messages.size(), std::variant_size_v<Message>);
  for (const Message& message : messages) {
    const auto back = decode(encode(message));
    ASSERT_TRUE(back.has_value()) << type_of(message) << ": " << back.error().message;
    EXPECT_EQ(back->index(), message.index());
    EXPECT_EQ(encode(*back), encode(message)) << type_of(message);
  }
}

TEST(MoveProtocol, RefusesUnknownFieldsAndTypes) {
  EXPECT_NE(error_of(R"({"type":"ready","more":1})").find("unknown field 'more'"), std::string::npos);
  EXPECT_NE(error_of(R"({"type":"go"})").find("unknown type 'go'"), std::string::npos);
  EXPECT_NE(error_of(R"({"type":"round","last":true})").find("'number'"), std::string::npos);
  EXPECT_NE(error_of(R"({"type":"probe","streams":5})").find("'streams'"), std::string::npos);
}

TEST(MoveProtocol, RefusesDisksThatAreNotTheDefinitions) {
  Request other = request();
  other.vm.disks[0].virtual_bytes *= 2;
  EXPECT_NE(error_of(std::string(as_text(encode(Check{other, {}})))).find("'disks'"), std::string::npos);
}

TEST(MoveProtocol, NamesBothVersions) {
  std::string text(as_text(encode(Check{request(), {}})));
  const auto at = text.find("\"protocol\":2");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, 12, "\"protocol\":3");
  const std::string error = error_of(text);
  EXPECT_NE(error.find("protocol 3"), std::string::npos) << error;
  EXPECT_NE(error.find("this one 2"), std::string::npos) << error;
}

TEST(MoveProtocol, ThePeersWordsCannotSteerATerminal) {
  const auto message = decode(as_bytes(R"({"type":"cancelled","reason":"\u001b[2Jno"})"));
  ASSERT_TRUE(message);
  EXPECT_EQ(std::get<Cancelled>(*message).reason, " [2Jno");
}

}  // namespace sealift::migrate::protocol
