#include "traffic/event.hpp"

#include <gtest/gtest.h>

#include "traffic/enrolment.hpp"
#include "traffic/test_traffic.hpp"

namespace sealift::traffic {
namespace {

using namespace testing;

Batch a_batch() {
  Batch batch{.stream = "0123456789abcdef", .whole = false, .last = 9, .events = {}};
  for (const MoveEventKind kind :
       {MoveEventKind::kMoving, MoveEventKind::kSwitching, MoveEventKind::kMoved}) {
    batch.events.push_back(event_of(1, 4, kind));
    batch.events.back().number = 2 * batch.events.size();
  }
  batch.events.back().address = "[2001:db8::7]:80";
  return batch;
}

TEST(MoveEvent, ABatchReadsBackAsItself) {
  const auto read = parse_batch(to_json(a_batch()));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, a_batch());
}

TEST(MoveEvent, WhatIsNoBatchIsRefused) {
  const std::vector<std::pair<const char*, std::function<void(Json&)>>> damages{
      {"no stream", [](Json& json) { json.erase("stream"); }},
      {"another id", [](Json& json) { json["stream"] = "x123456789abcdef"; }},
      {"a number twice", [](Json& json) { json["events"][1]["number"] = 2; }},
      {"beyond the last", [](Json& json) { json["last"] = 5; }},
      {"an unknown event", [](Json& json) { json["events"][0]["event"] = "flying"; }},
      {"a name with a line's end", [](Json& json) { json["events"][0]["name"] = "a\nb"; }},
      {"an address that is too long",
       [](Json& json) { json["events"][0]["address"] = std::string(65, '1'); }},
      {"no such VM id", [](Json& json) { json["events"][0]["vm"] = "web"; }},
      {"no host", [](Json& json) { json["events"][0]["from"] = ""; }},
      {"a negative epoch", [](Json& json) { json["events"][0]["epoch"] = -1; }}};
  for (const auto& [what, damage] : damages) {
    Json json = to_json(a_batch());
    damage(json);
    const auto read = parse_batch(json);
    ASSERT_FALSE(read) << what;
    EXPECT_EQ(read.error().code, Code::kInvalid) << what;
  }
}

TEST(Enrolment, AnEnrolmentReadsBackAsItself) {
  Enrolment enrolment;
  enrolment.domain = {crypto::sha256(as_bytes("d"))};
  enrolment.name = host_name("lb-1");
  enrolment.certificate = "{}";
  enrolment.members = {7, {{host_name("bern"), identity_of("bern").public_key(), {"192.0.2.1:7420"}}}};
  const auto read = decode_enrolment(encode_enrolment(enrolment));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(encode_enrolment(*read), encode_enrolment(enrolment));
  EXPECT_FALSE(decode_enrolment("{}"));
  const auto hosts = hosts_of(*read);
  ASSERT_EQ(hosts.size(), 1U);
  EXPECT_EQ(hosts[0].to.expected, identity_of("bern").public_key());
}

}  // namespace
}  // namespace sealift::traffic
