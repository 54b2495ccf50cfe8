#include <signal.h>

#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/database.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/process.hpp"
#include "base/queue.hpp"
#include "base/stop.hpp"
#include "base/text.hpp"

namespace sealift {
namespace {

using namespace std::chrono_literals;

TEST(Bytes, HexAndBase64RoundTripEveryLength) {
  SeededRandom random(7);
  for (std::size_t length = 0; length < 70; ++length) {
    Bytes bytes(length);
    random.fill(bytes);
    EXPECT_EQ(unhex(hex(bytes)).value(), bytes);
    EXPECT_EQ(unbase64(base64(bytes)).value(), bytes);
  }
  EXPECT_EQ(base64(as_bytes("foobar")), "Zm9vYmFy");  // RFC 4648 section 10
  EXPECT_EQ(base64(as_bytes("fooba")), "Zm9vYmE=");
  EXPECT_EQ(base64(as_bytes("foob")), "Zm9vYg==");
}

TEST(Bytes, Base64RefusesStrayBitsAndBadPadding) {
  for (const char* bad : {"Zm9vYh==", "Zm9vYmF=", "Zg=", "Z===", "Zm9v Zg=", "====", "Zm=v"}) {
    EXPECT_FALSE(unbase64(bad)) << bad;
  }
}

TEST(Codec, DecoderNeverReadsPastItsInput) {
  Encoder encoder;
  encoder.u8(1).u16(2).u32(3).u64(4).text("five");
  const Bytes whole = encoder.take();
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    Decoder decoder(ByteView(whole).first(cut));
    const bool complete = decoder.u8() && decoder.u16() && decoder.u32() && decoder.u64() && decoder.text(16);
    EXPECT_FALSE(complete) << cut;
  }
  Decoder decoder(whole);
  EXPECT_EQ(decoder.u8().value(), 1);
  EXPECT_EQ(decoder.u16().value(), 2);
  EXPECT_EQ(decoder.u32().value(), 3U);
  EXPECT_EQ(decoder.u64().value(), 4U);
  EXPECT_EQ(decoder.text(4).value(), "five");
  EXPECT_TRUE(decoder.finish());
}

TEST(Codec, DecoderRefusesAFieldOverItsLimitBeforeAllocating) {
  Encoder encoder;
  encoder.u32(0xffffffffU);
  Decoder decoder(encoder.bytes());
  EXPECT_EQ(decoder.blob(1024).error().code, Code::kInvalid);
}

TEST(Json, RefusesDepthDuplicatesAndSize) {
  EXPECT_FALSE(json::parse(std::string(100'000, '['), 1'000'000));
  EXPECT_FALSE(json::parse(R"({"a":1,"a":2})", 100));
  EXPECT_FALSE(json::parse(R"({"a":1})", 3));
  EXPECT_FALSE(json::parse("{", 100));
  EXPECT_FALSE(json::parse("\"\xff\"", 100));
  const Json value = json::parse(R"({"a":{"a":1},"n":-1,"s":"x"})", 100).value();
  EXPECT_EQ(json::number(json::object(value, "a").value(), "a").value(), 1U);
  EXPECT_EQ(json::number(value, "n").error().code, Code::kInvalid);
  EXPECT_EQ(json::text(value, "missing").error().message, "field 'missing' is missing");
}

TEST(File, WriteAtomicReplacesWholeAndLeavesNoTemporary) {
  const file::Path directory =
      std::filesystem::temp_directory_path() / fmt::format("sealift-base-{}", ::getpid());
  ASSERT_TRUE(file::make_private_directory(directory));
  const file::Path path = directory / "x";
  ASSERT_TRUE(file::write_atomic(path, std::string_view("one")));
  ASSERT_TRUE(file::write_atomic(path, std::string_view("two")));
  EXPECT_EQ(file::read_text(path, 10).value(), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), 1);
  EXPECT_EQ(file::read(path, 2).error().code, Code::kInvalid);
  {
    const auto held = file::lock(directory / "lock");
    ASSERT_TRUE(held);
    EXPECT_EQ(file::lock(directory / "lock").error().code, Code::kConflict);
  }
  EXPECT_TRUE(file::lock(directory / "lock"));
  ASSERT_TRUE(file::remove_tree(directory));
}

TEST(Stop, WakesABlockedWaitAtOnce) {
  StopSource source;
  std::array<int, 2> fds{};
  ASSERT_EQ(::pipe(fds.data()), 0);
  const UniqueFd in(fds[0]);
  const UniqueFd out(fds[1]);
  std::jthread stopper([&] { source.stop(); });
  EXPECT_EQ(wait_ready(in.get(), Readiness::kReadable, Deadline::never(), source.token()).error().code,
            Code::kCancelled);
  EXPECT_EQ(wait_ready(in.get(), Readiness::kReadable, Deadline::in(1ms), Stop()).error().code,
            Code::kTimeout);
}

TEST(BoundedQueue, DrainsAfterCloseAndFailsAllWaiters) {
  BoundedQueue<int> queue(2);
  ASSERT_TRUE(queue.push(1));
  ASSERT_TRUE(queue.push(2));
  queue.close();
  EXPECT_EQ(queue.pop().value(), 1);
  EXPECT_EQ(queue.pop().value(), 2);
  EXPECT_EQ(queue.pop().error().code, Code::kClosed);
  BoundedQueue<int> failing(1);
  std::jthread failer([&] { failing.fail_all({Code::kIo, "disk"}); });
  EXPECT_EQ(failing.pop().error().message, "disk");
}

TEST(Process, FreezesThawsAndKillsExactlyItsOwn) {
  const auto name = process::spawn({.argv = {"sleep", "60"}, .output = {}, .fds = {}, .drop_to = {}}).value();
  EXPECT_EQ(process::state(name), ProcessState::kRunning);
  ASSERT_TRUE(process::freeze(name, Deadline::in(5s)));
  EXPECT_EQ(process::state(name), ProcessState::kStopped);
  ASSERT_TRUE(process::thaw(name));
  ProcessName other = name;
  other.start_ticks += 1;  // the pid of another process life
  EXPECT_EQ(process::signal(other, SIGKILL).error().code, Code::kNotFound);
  ASSERT_TRUE(process::kill_hard(name, Deadline::in(5s)));
  EXPECT_EQ(process::state(name), ProcessState::kGone);
}

TEST(Process, FailedExecIsAnErrorAndRunCapturesBounded) {
  EXPECT_EQ(
      process::spawn({.argv = {"/no/such/program"}, .output = {}, .fds = {}, .drop_to = {}}).error().code,
      Code::kNotFound);
  const auto output =
      process::run({"sh", "-c", "echo hello; echo there >&2; exit 3"}, 8, Deadline::in(10s), Stop()).value();
  EXPECT_EQ(output.text, "hello\nth");
  EXPECT_EQ(output.exit.code, 3);
}

TEST(Database, RollsBackUnlessCommittedAndChecksItsVersion) {
  const file::Path path = std::filesystem::temp_directory_path() / fmt::format("sealift-db-{}", ::getpid());
  constexpr std::string_view kSchema = "CREATE TABLE t(name TEXT PRIMARY KEY, value BLOB);";
  {
    auto database = Database::open(path, kSchema, 1).value();
    {
      auto transaction = database.begin().value();
      ASSERT_TRUE(database.prepare("INSERT INTO t VALUES(?,?)")->bind("a").bind(as_bytes("x")).run());
    }
    auto transaction = database.begin().value();
    ASSERT_TRUE(database.prepare("INSERT INTO t VALUES(?,?)")->bind("b").bind(as_bytes("y")).run());
    ASSERT_TRUE(transaction.commit());
    EXPECT_EQ(database.prepare("INSERT INTO t VALUES(?,?)")->bind("b").bind_null().run().error().code,
              Code::kConflict);
  }
  auto database = Database::open(path, kSchema, 1).value();
  auto rows = database.prepare("SELECT name, value FROM t").value();
  ASSERT_TRUE(rows.step().value());
  EXPECT_EQ(rows.text(0), "b");
  EXPECT_EQ(as_text(rows.blob(1)), "y");
  EXPECT_FALSE(rows.step().value());
  EXPECT_EQ(Database::open(path, kSchema, 2).error().code, Code::kUnsupported);
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path.string() + suffix);
}

TEST(Clock, WritesIso8601) {
  EXPECT_EQ(to_iso8601(WallTime{std::chrono::milliseconds{1'800'000'000'123}}), "2027-01-15T08:00:00.123Z");
}

}  // namespace
TEST(Printable, LeavesNothingThatSteersATerminal) {
  EXPECT_EQ(printable("Z\xc3\xbcrich, \xe2\x82\xac 5"), "Z\xc3\xbcrich, \xe2\x82\xac 5");
  EXPECT_EQ(printable("a\x1b[2Jb\r\n\x7f"), "a [2Jb   ");
  EXPECT_EQ(printable("a\xc2\x9b"
                      "2J"),
            "a 2J");  // CSI in one character
  EXPECT_EQ(printable("\xc2"), "\xc2");
}

TEST(Log, AValueCanNeitherEndItsLineNorSteerATerminal) {
  ::testing::internal::CaptureStderr();
  log_error("x", {{"plain", "a-1"}, {"a", "\x1b[2J"}, {"b", "one\ntwo \"three\"\n"}, {"c", ""}});
  const std::string line = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(line.substr(line.find(" plain=")),
            " plain=a-1 a=\" [2J\" b=\"one\\ntwo \\\"three\\\"\\n\" c=\"\"\n");
}

}  // namespace sealift
