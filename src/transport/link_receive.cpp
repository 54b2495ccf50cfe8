#include <algorithm>

#include "transport/link_connection.hpp"

namespace sealift::transport {

Status Link::receive_all(Connection& connection) {
  while (true) SEALIFT_TRY_STATUS(receive_one(connection));
}

Status Link::receive_one(Connection& connection) {
  const Deadline deadline = Deadline::in(context_.options.dead_after);
  auto record = std::make_shared<Sealed>(context_.pool, context_.pool.take(), kRecordHeaderBytes);
  const std::span<std::uint8_t, kRecordHeaderBytes> head(record->buffer.get(), kRecordHeaderBytes);
  SEALIFT_TRY_STATUS(net::read_exact(connection.stream, head, deadline, context_.stop()));
  const RecordHeader header = SEALIFT_TRY(decode_record_header(head));
  record->size = kRecordOverheadBytes + header.length;
  SEALIFT_TRY_STATUS(net::read_exact(connection.stream, record->bytes().subspan(kRecordHeaderBytes), deadline,
                                     context_.stop()));
  context_.wire_bytes_received.fetch_add(record->size, std::memory_order_relaxed);
  if (!is_link_kind(header.kind)) {
    if (!connection.resumed)
      return fail(Code::kCorrupt, "a bulk connection does not begin with its position");
    return take_record(header, std::move(record));
  }
  if (header.sequence != connection.received) return fail(Code::kCorrupt, "a link record out of place");
  const MutableByteView body = record->bytes().subspan(kRecordHeaderBytes, header.length);
  const std::span<const std::uint8_t, crypto::kAeadTagBytes> tag(
      record->buffer.get() + kRecordHeaderBytes + header.length, crypto::kAeadTagBytes);
  SEALIFT_TRY_STATUS(connection.opener.open(connection.received++, head, body, tag));
  if ((header.kind == RecordKind::kResume) == connection.resumed)
    return fail(Code::kCorrupt, "a link record out of place");
  if (header.kind == RecordKind::kPing) return {};
  const auto positions = SEALIFT_TRY(decode_positions(body));
  return header.kind == RecordKind::kResume ? take_resume(positions, connection) : take_ack(positions);
}

Status Link::take_record(const RecordHeader& header, SealedPtr record) {
  {
    const std::scoped_lock lock(mutex_);
    if (!incoming_.contains(header.stream) && incoming_.size() >= context_.agreed.streams_max) {
      return fail(Code::kCorrupt, "more streams than were agreed");
    }
    if (header.stream % context_.agreed.connections != index_)
      return fail(Code::kCorrupt, "a stream on another's connection");
    Incoming& stream = incoming_[header.stream];
    if (header.sequence < stream.received) {
      context_.duplicates.fetch_add(1);
      return {};
    }
    if (header.sequence > stream.received) {
      return fail(Code::kCorrupt, "stream {}: record {} came where {} was due", header.stream,
                  header.sequence, stream.received);
    }
    if (stream.last) return fail(Code::kCorrupt, "stream {} goes on after its end", header.stream);
    if (stream.bytes + record->size > context_.agreed.window_bytes + kSealedBytesMax) {
      return fail(Code::kCorrupt, "stream {}: more was sent than the window allows", header.stream);
    }
    stream.last = header.kind == RecordKind::kLast;
    stream.bytes += record->size;
    ++stream.received;
    stream.arrived.push_back(std::move(record));
  }
  changed_.notify_all();
  return {};
}

void Link::free_taken(Outgoing& stream, std::uint64_t taken) {
  while (stream.first < taken) {
    stream.bytes -= stream.kept.front()->size;
    stream.kept.pop_front();
    ++stream.first;
  }
}

// Where the other side is after a (new) connection: sending goes on at `received`.
Status Link::take_resume(const std::vector<StreamPosition>& positions, Connection& connection) {
  {
    const std::scoped_lock lock(mutex_);
    for (auto& [id, stream] : outgoing_) {
      const auto said = std::ranges::find(positions, id, &StreamPosition::stream);
      const StreamPosition position = said != positions.end() ? *said : StreamPosition{.stream = id};
      if (position.taken < stream.first || position.received > stream.committed()) {
        return fail(Code::kCorrupt, "the other side's position in stream {} cannot be", id);
      }
      free_taken(stream, position.taken);
      stream.next = position.received;
    }
    const bool unknown =
        std::ranges::any_of(positions, [&](const auto& p) { return !outgoing_.contains(p.stream); });
    if (unknown) return fail(Code::kCorrupt, "the other side has records of a stream that was never sent");
    connection.resumed = true;
  }
  changed_.notify_all();
  return {};
}

Status Link::take_ack(const std::vector<StreamPosition>& positions) {
  {
    const std::scoped_lock lock(mutex_);
    for (const StreamPosition& position : positions) {
      const auto found = outgoing_.find(position.stream);
      const bool sensible = found != outgoing_.end() && position.received <= found->second.next;
      if (!sensible) return fail(Code::kCorrupt, "an acknowledgement of what was never sent");
      if (position.taken > found->second.first) free_taken(found->second, position.taken);
    }
  }
  changed_.notify_all();
  return {};
}

}  // namespace sealift::transport
