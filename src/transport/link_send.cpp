#include <algorithm>

#include "transport/link_connection.hpp"

namespace sealift::transport {

namespace {

// Taken records are told soon even when they are few: a writer may wait for exactly these (flush).
constexpr Milliseconds kTellWithin{2};

}  // namespace

bool Link::ack_due(SteadyTime now) const {
  if (!untold_since_) return false;
  if (now - *untold_since_ >= kTellWithin) return true;
  return std::ranges::any_of(incoming_, [&](const auto& entry) {
    return entry.second.untold_bytes >= context_.agreed.window_bytes / 8;
  });
}

std::vector<StreamPosition> Link::positions() {
  std::vector<StreamPosition> list;
  for (auto& [id, stream] : incoming_) {
    if (stream.received == 0) continue;
    list.push_back({.stream = id, .received = stream.received, .taken = stream.taken});
    stream.told_taken = stream.taken;
    stream.untold_bytes = 0;
  }
  untold_since_.reset();
  return list;
}

// Under the lock; waits for something to do. Acknowledgements come first, then the streams in turn, then a
// sign of life.
Link::Send Link::next_send(std::unique_lock<std::mutex>& lock, Connection& connection) {
  const auto ping_after = context_.options.dead_after / 3;
  while (true) {
    if (connection.ended || context_.failure()) return {.kind = Send::Kind::kEnd, .record = {}, .body = {}};
    const auto now = std::chrono::steady_clock::now();
    if (connection.resumed && ack_due(now)) {
      return {.kind = Send::Kind::kAck, .record = {}, .body = encode_positions(positions())};
    }
    if (connection.resumed) {
      auto turn = outgoing_.upper_bound(last_sent_);
      for (std::size_t tried = 0; tried < outgoing_.size(); ++tried, ++turn) {
        if (turn == outgoing_.end()) turn = outgoing_.begin();
        Outgoing& stream = turn->second;
        if (stream.next >= stream.committed()) continue;
        last_sent_ = turn->first;
        SealedPtr record = stream.kept[stream.next - stream.first];
        ++stream.next;
        return {.kind = Send::Kind::kRecord, .record = std::move(record), .body = {}};
      }
    }
    if (now - connection.last_write >= ping_after)
      return {.kind = Send::Kind::kPing, .record = {}, .body = {}};
    auto until = connection.last_write + ping_after;
    if (untold_since_) until = std::min(until, *untold_since_ + kTellWithin);
    changed_.wait_until(lock, until);
  }
}

Status Link::send_link_record(Connection& connection, RecordKind kind, ByteView body) {
  Bytes record(kRecordOverheadBytes + body.size());
  const RecordHeader header{.kind = kind,
                            .stream = 0,
                            .sequence = connection.sent,
                            .length = static_cast<std::uint32_t>(body.size())};
  encode_record_header(header,
                       std::span<std::uint8_t, kRecordHeaderBytes>(record.data(), kRecordHeaderBytes));
  const MutableByteView sealed = MutableByteView(record).subspan(kRecordHeaderBytes, body.size());
  std::ranges::copy(body, sealed.begin());
  std::span<std::uint8_t, crypto::kAeadTagBytes> tag(record.data() + kRecordHeaderBytes + body.size(),
                                                     crypto::kAeadTagBytes);
  connection.sealer.seal(connection.sent++, ByteView(record).first(kRecordHeaderBytes), sealed, tag);
  context_.wire_bytes_sent.fetch_add(record.size(), std::memory_order_relaxed);
  return connection.stream.write_all(record, Deadline::in(context_.options.dead_after), context_.stop());
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
      case Send::Kind::kRecord:
        SEALIFT_TRY_STATUS(context_.pacer.wait(send.record->size, context_.stop()));
        context_.wire_bytes_sent.fetch_add(send.record->size, std::memory_order_relaxed);
        SEALIFT_TRY_STATUS(connection.stream.write_all(
            send.record->bytes(), Deadline::in(context_.options.dead_after), context_.stop()));
        break;
      case Send::Kind::kNothing: break;
    }
  }
}

}  // namespace sealift::transport
