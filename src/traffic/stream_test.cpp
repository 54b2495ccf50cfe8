#include "traffic/stream.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "traffic/test_traffic.hpp"

namespace sealift::traffic {
namespace {

using namespace testing;

struct EventStreamTest : ::testing::Test {
  domain::testing::TemporaryDirectory directory;
  std::unique_ptr<EventStream> stream;

  EventStreamTest() { open(); }
  void open(std::uint64_t keep = 4096) {
    stream.reset();
    auto opened = EventStream::open(directory.path() / "traffic.db", keep);
    ASSERT_TRUE(opened) << opened.error().message;
    stream = std::move(*opened);
  }
  std::optional<std::uint64_t> publish(int vm, std::uint64_t epoch, MoveEventKind kind) {
    const auto number = stream->publish(event_of(vm, epoch, kind));
    EXPECT_TRUE(number) << number.error().message;
    return number.value_or(std::nullopt);
  }
  Batch after(const Position& position) {
    const auto batch = stream->enter("r")->wait(position, Deadline::in(Milliseconds{0}), {});
    EXPECT_TRUE(batch) << batch.error().message;
    return batch.value_or(Batch{});
  }
  static std::vector<std::uint64_t> numbers(const Batch& batch) {
    std::vector<std::uint64_t> list;
    for (const MoveEvent& event : batch.events) list.push_back(event.number);
    return list;
  }
};

using enum MoveEventKind;

TEST_F(EventStreamTest, AReaderMissesNothingAcrossARestart) {
  const Position start{after({}).stream, 0};
  publish(1, 1, kMoving);
  publish(2, 1, kMoving);
  open();
  publish(1, 1, kSwitching);
  const Batch all = after(start);
  EXPECT_FALSE(all.whole);
  EXPECT_EQ(numbers(all), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(all.last, 3U);
  EXPECT_EQ(numbers(after({start.stream, 2})), std::vector<std::uint64_t>{3});
  EXPECT_TRUE(after({start.stream, 3}).events.empty());
}

TEST_F(EventStreamTest, SaysEachThingOnceAndNothingThatIsOver) {
  EXPECT_EQ(publish(1, 5, kMoving), 1U);
  EXPECT_FALSE(publish(1, 5, kMoving)) << "again, after a restart";
  EXPECT_EQ(publish(1, 5, kMoved), 2U) << "switching was another host's";
  EXPECT_FALSE(publish(1, 5, kAborted)) << "it has ended";
  EXPECT_FALSE(publish(1, 4, kSwitching)) << "of an earlier move";
  EXPECT_EQ(publish(1, 6, kMoving), 3U);
}

TEST_F(EventStreamTest, WhoIsTooFarBehindOrComesFromElsewhereGetsTheWholeState) {
  open(4);
  publish(1, 1, kMoving);
  for (std::uint64_t epoch = 1; epoch <= 10; ++epoch) publish(2, epoch, kMoving);
  const std::string id = after({}).stream;
  for (const Position& position :
       {Position{}, Position{id, 3}, Position{id, 99}, Position{"0123456789abcdef", 9}}) {
    const Batch batch = after(position);
    EXPECT_TRUE(batch.whole);
    EXPECT_EQ(numbers(batch), (std::vector<std::uint64_t>{1, 11})) << "the newest of each VM";
    EXPECT_EQ(batch.last, 11U);
  }
  EXPECT_FALSE(after({id, 7}).whole);
  EXPECT_EQ(after({id, 7}).events.size(), 4U);
}

TEST_F(EventStreamTest, APublisherWaitsForThoseWhoArePresentAndNoLongerThanAllowed) {
  const std::uint64_t number = *publish(1, 1, kSwitching);
  const auto nobody = stream->wait_acknowledged(number, Milliseconds{60'000});
  EXPECT_LT(nobody.waited_ms, 1000);
  const auto quick = stream->enter("quick");
  const Batch batch = *quick->wait({}, Deadline::in(Milliseconds{0}), {});
  const auto slow = stream->enter("slow");
  auto gone = stream->enter("gone");
  gone.reset();
  std::jthread acting([&] {  // asks for what follows: the event is in force there
    (void)quick->wait({batch.stream, batch.last}, Deadline::in(Milliseconds{100}), {});
  });
  const auto held = stream->wait_acknowledged(number, Milliseconds{300});
  EXPECT_EQ(held.by, std::vector<std::string>{"quick"});
  EXPECT_EQ(held.missing, std::vector<std::string>{"slow"});
  EXPECT_GE(held.waited_ms, 290);
}

TEST_F(EventStreamTest, AWaitingReaderIsWokenByAnEvent) {
  const Position start{after({}).stream, 0};
  const auto reader = stream->enter("r");
  std::jthread publisher([&] { publish(1, 1, kMoving); });
  const auto batch = reader->wait(start, Deadline::in(Milliseconds{60'000}), {});
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->events.size(), 1U);
  StopSource stop;
  stop.stop();
  const auto stopped = reader->wait({batch->stream, 1}, Deadline::never(), stop.token());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::kCancelled);
}

}  // namespace
}  // namespace sealift::traffic
