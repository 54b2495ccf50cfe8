#include <algorithm>

#include "transport/link_connection.hpp"

namespace sealift::transport {

namespace {

// Taken records are told soon even when they are few: a writer may wait for exactly these (flush).
constexpr Milliseconds kTellWithin{2};
constexpr std::size_t kTellAfterBytes = 1024 * 1024;
constexpr Milliseconds kPacedLook{50};  // so that a changed rate counts soon

}  // namespace

std::size_t Link::tell_after_bytes() const {
  return std::min<std::size_t>(kTellAfterBytes, context_.agreed.window_bytes / 4);
}

bool Link::ack_due(SteadyTime now) const {
  if (!untold_since_) return false;
  if (now - *untold_since_ >= kTellWithin) return true;
  return std::ranges::any_of(
      incoming_, [&](const auto& entry) { return entry.second.untold_bytes >= tell_after_bytes(); });
}

std::vector<StreamPosition> Link::positions() {
  std::vector<StreamPosition> list;
  for (auto& [id, stream] : incoming_) {
    if (stream.received == 0) continue;
    list.push_back({.stream = id, .received = stream.received, .taken = stream.taken});
    stream.untold_bytes = 0;
  }
  untold_since_.reset();
  return list;
}

// Streams take turns, so that a full one does not hold up the others of its connection.
SealedPtr Link::next_record() {
  auto turn = outgoing_.upper_bound(last_sent_);
  for (std::size_t tried = 0; tried < outgoing_.size(); ++tried, ++turn) {
    if (turn == outgoing_.end()) turn = outgoing_.begin();
    Outgoing& stream = turn->second;
    if (stream.next >= stream.committed()) continue;
    last_sent_ = turn->first;
    return stream.kept[stream.next++ - stream.first];
  }
  return nullptr;
}

// Under the lock; waits for something to do. Acknowledgements come first, then records, then a sign of life.
Link::Send Link::next_send(std::unique_lock<std::mutex>& lock, Connection& connection) {
  const auto ping_after = context_.options.dead_after / 3;
  while (true) {
    if (connection.ended || context_.failure()) return {.kind = Send::Kind::kEnd, .record = {}, .body = {}};
    const auto now = std::chrono::steady_clock::now();
    auto until = connection.last_write + ping_after;
    if (connection.resumed) {
      if (ack_due(now))
        return {.kind = Send::Kind::kAck, .record = {}, .body = encode_positions(positions())};
      const auto allowed = context_.pacer.next_at();
      if (allowed > now) {
        until = std::min(until, std::min(allowed, now + kPacedLook));
      } else if (SealedPtr record = next_record()) {
        context_.pacer.charge(record->size());
        return {.kind = Send::Kind::kRecord, .record = std::move(record), .body = {}};
      }
    }
    if (now >= connection.last_write + ping_after)
      return {.kind = Send::Kind::kPing, .record = {}, .body = {}};
    if (untold_since_) until = std::min(until, *untold_since_ + kTellWithin);
    to_send_.wait_until(lock, until);
  }
}

Status Link::write(Connection& connection, ByteView bytes) {
  context_.wire_bytes_sent.fetch_add(bytes.size(), std::memory_order_relaxed);
  return connection.stream.write_all(bytes, Deadline::in(context_.options.dead_after), context_.stop());
}

// Sealed under the connection's own key and count: sent once, on this connection only.
Status Link::send_link_record(Connection& connection, RecordKind kind, ByteView body) {
  const Sealed record(kRecordOverheadBytes + body.size());
  encode_record_header({.kind = kind,
                        .stream = 0,
                        .sequence = connection.sent,
                        .length = static_cast<std::uint32_t>(body.size())},
                       record.head());
  std::ranges::copy(body, record.body().begin());
  connection.sealer.seal(connection.sent++, record.head(), record.body(), record.tag());
  return write(connection, record.bytes());
}

Status Link::send_all(Connection& connection) {
  Bytes first;
  {
    const std::scoped_lock lock(mutex_);
    first = encode_positions(positions());
  }
  SEALIFT_TRY_STATUS(send_link_record(connection, RecordKind::kResume, first));
  while (true) {
    Send send;
    {
      std::unique_lock lock(mutex_);
      send = next_send(lock, connection);
      connection.last_write = std::chrono::steady_clock::now();
    }
    switch (send.kind) {
      case Send::Kind::kEnd: return fail(Code::kUnavailable, "the connection was lost");
      case Send::Kind::kAck:
        SEALIFT_TRY_STATUS(send_link_record(connection, RecordKind::kAck, send.body));
        break;
      case Send::Kind::kPing: SEALIFT_TRY_STATUS(send_link_record(connection, RecordKind::kPing, {})); break;
      case Send::Kind::kRecord: SEALIFT_TRY_STATUS(write(connection, send.record->bytes())); break;
    }
  }
}

}  // namespace sealift::transport
