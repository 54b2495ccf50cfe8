#include "traffic/stream.hpp"

#include <algorithm>

#include "base/clock.hpp"

namespace sealift::traffic {

namespace {

constexpr int kSchemaVersion = 1;
constexpr std::string_view kSchema = R"sql(
CREATE TABLE stream(id TEXT NOT NULL) STRICT;
CREATE TABLE event(number INTEGER PRIMARY KEY AUTOINCREMENT, vm TEXT NOT NULL, epoch INTEGER NOT NULL,
  kind INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX event_vm ON event(vm, number);
)sql";
constexpr std::size_t kBodyBytesMax = 4096;
constexpr std::int64_t kAtOnce = 256;
constexpr Milliseconds kSlice{100};  // between two looks at a Stop

}  // namespace

Result<std::unique_ptr<EventStream>> EventStream::open(const file::Path& path, std::uint64_t keep) {
  std::unique_ptr<EventStream> stream(new EventStream(keep));
  SEALIFT_TRY_STATUS(stream->load(SEALIFT_TRY(Database::open(path, kSchema, kSchemaVersion))));
  return stream;
}

Status EventStream::load(Database database) {
  auto state = state_.lock();
  {
    Statement find = SEALIFT_TRY(database.prepare("SELECT id FROM stream"));
    if (SEALIFT_TRY(find.step())) state->id = find.text(0);
    Statement last = SEALIFT_TRY(database.prepare("SELECT coalesce(max(number), 0) FROM event"));
    SEALIFT_TRY(last.step());
    state->last = static_cast<std::uint64_t>(last.number(0));
  }
  if (state->id.empty()) {
    std::array<std::uint8_t, kStreamIdDigits / 2> id{};
    system_random().fill(id);
    state->id = hex(id);
    Statement put = SEALIFT_TRY(database.prepare("INSERT INTO stream(id) VALUES(?)"));
    SEALIFT_TRY_STATUS(put.bind(std::string_view{state->id}).run());
  }
  state->database = std::move(database);
  return {};
}

Result<std::optional<std::uint64_t>> EventStream::publish(MoveEvent event) {
  {
    auto state = state_.lock();
    Database& database = *state->database;
    const std::string vm = event.vm.text();
    auto transaction = SEALIFT_TRY(database.begin());
    {
      Statement newest = SEALIFT_TRY(
          database.prepare("SELECT epoch, kind FROM event WHERE vm = ? ORDER BY number DESC LIMIT 1"));
      newest.bind(std::string_view{vm});
      if (SEALIFT_TRY(newest.step())) {
        const MovePlace known{static_cast<std::uint64_t>(newest.number(0)),
                              static_cast<MoveEventKind>(newest.number(1))};
        if (!known.before({event.epoch.value, event.kind})) return std::nullopt;
      }
      event.number = state->last + 1;
      const std::string body = json::dump(to_json(event));
      Statement put = SEALIFT_TRY(
          database.prepare("INSERT INTO event(number, vm, epoch, kind, body) VALUES(?, ?, ?, ?, ?)"));
      SEALIFT_TRY_STATUS(put.bind(event.number)
                             .bind(std::string_view{vm})
                             .bind(event.epoch.value)
                             .bind(static_cast<std::int64_t>(event.kind))
                             .bind(std::string_view{body})
                             .run());
      if (event.number > keep_) {
        Statement drop =
            SEALIFT_TRY(database.prepare("DELETE FROM event WHERE number <= ? AND number NOT IN (SELECT "
                                         "max(number) FROM event GROUP BY vm)"));
        SEALIFT_TRY_STATUS(drop.bind(event.number - keep_).run());
      }
    }
    SEALIFT_TRY_STATUS(transaction.commit());
    state->last = event.number;
  }
  state_.notify_all();
  return event.number;
}

Result<Batch> EventStream::read(State& state, const Position& position) const {
  Batch batch;
  batch.stream = state.id;
  const std::uint64_t oldest = state.last > keep_ ? state.last - keep_ : 0;
  batch.whole = position.stream != state.id || position.after > state.last || position.after < oldest;
  Statement find = SEALIFT_TRY(state.database->prepare(
      batch.whole
          ? "SELECT number, body FROM event WHERE number IN (SELECT max(number) FROM event GROUP BY vm) "
            "ORDER BY number DESC LIMIT ?2"
          : "SELECT number, body FROM event WHERE number > ?1 ORDER BY number LIMIT ?2"));
  find.bind(position.after).bind(batch.whole ? static_cast<std::int64_t>(kBatchEventsMax) : kAtOnce);
  while (SEALIFT_TRY(find.step()))
    batch.events.push_back(SEALIFT_TRY(parse_event(SEALIFT_TRY(json::parse(find.text(1), kBodyBytesMax)))));
  if (batch.whole) std::ranges::reverse(batch.events);
  batch.last = batch.whole || batch.events.empty() ? state.last : batch.events.back().number;
  return batch;
}

std::unique_ptr<EventStream::Reader> EventStream::enter(std::string name) {
  auto state = state_.lock();
  const std::uint64_t id = state->next_reader++;
  state->readers[id] = {std::move(name), 0};
  return std::unique_ptr<Reader>(new Reader(*this, id));
}

EventStream::Reader::~Reader() {
  stream_.state_.lock()->readers.erase(id_);
  stream_.state_.notify_all();
}

Result<Batch> EventStream::Reader::wait(const Position& position, Deadline deadline, const Stop& stop) {
  {
    auto state = stream_.state_.lock();
    // Of another stream's numbers nothing follows.
    state->readers[id_].acknowledged = position.stream == state->id ? position.after : 0;
  }
  stream_.state_.notify_all();
  while (true) {
    auto state = stream_.state_.lock();
    const bool behind = position.stream != state->id || position.after != state->last;
    if (behind || deadline.passed()) return stream_.read(*state, position);
    if (stop.stopped()) return fail(Code::kCancelled, "stopped");
    state.wait_until(deadline.sooner(std::chrono::steady_clock::now() + kSlice),
                     [&](const State& now) { return now.last != position.after; });
  }
}

EventStream::Acknowledged EventStream::wait_acknowledged(std::uint64_t number, Milliseconds longest) {
  const auto began = std::chrono::steady_clock::now();
  auto state = state_.lock();
  std::vector<std::uint64_t> asked;
  for (const auto& [id, reader] : state->readers) asked.push_back(id);
  const auto missing = [&](const State& now, std::uint64_t id) {
    const auto reader = now.readers.find(id);  // who has gone is not waited for
    return reader != now.readers.end() && reader->second.acknowledged < number;
  };
  state.wait_until(began + longest, [&](const State& now) {
    return std::ranges::none_of(asked, [&](std::uint64_t id) { return missing(now, id); });
  });
  Acknowledged result;
  for (const std::uint64_t id : asked) {
    const auto reader = state->readers.find(id);
    if (reader == state->readers.end()) continue;
    (missing(*state, id) ? result.missing : result.by).push_back(reader->second.name);
  }
  result.waited_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
  return result;
}

}  // namespace sealift::traffic
