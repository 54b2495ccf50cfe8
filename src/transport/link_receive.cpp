#include <algorithm>
#include <array>

#include "transport/link_connection.hpp"

namespace sealift::transport {

Status Link::receive_all(Connection& connection) {
  while (true) SEALIFT_TRY_STATUS(receive_one(connection));
}

Status Link::receive_one(Connection& connection) {
  const Deadline deadline = Deadline::in(context_.options.dead_after);
  std::array<std::uint8_t, kRecordHeaderBytes> head{};
  SEALIFT_TRY_STATUS(net::read_exact(connection.stream, head, deadline, context_.stop()));
  const RecordHeader header = SEALIFT_TRY(decode_record_header(head));
  SealedPtr record = Sealed::make(context_.pool, kRecordOverheadBytes + header.length);
  std::ranges::copy(head, record->head().begin());
  SEALIFT_TRY_STATUS(net::read_exact(connection.stream, record->bytes().subspan(kRecordHeaderBytes), deadline,
                                     context_.stop()));
  context_.wire_bytes_received.fetch_add(record->size(), std::memory_order_relaxed);
  if (!is_link_kind(header.kind)) {
    if (!connection.resumed)
      return fail(Code::kCorrupt, "a bulk connection does not begin with its position");
    return take_record(header, std::move(record));
  }
  if (header.sequence != connection.received) return fail(Code::kCorrupt, "a link record out of place");
  SEALIFT_TRY_STATUS(
      connection.opener.open(connection.received++, record->head(), record->body(), record->tag()));
  if ((header.kind == RecordKind::kResume) == connection.resumed)
    return fail(Code::kCorrupt, "a link record out of place");
  if (header.kind == RecordKind::kPing) return {};
  const auto positions = SEALIFT_TRY(decode_positions(record->body()));
  return header.kind == RecordKind::kResume ? take_resume(positions, connection) : take_ack(positions);
}

// A record that is here already is dropped, but not on its header's word alone: one whose number was altered
// on the way would be lost in silence.
Status Link::check_duplicate(const RecordHeader& header, Sealed& record) const {
  context_.duplicates.fetch_add(1);
  crypto::Opener opener(
      stream_key(context_.secret, other(context_.side), header.stream, header.sequence >> kKeyGroupShift));
  if (opener.open(header.sequence, record.head(), record.body(), record.tag())) return {};
  return fail(Code::kCorrupt, "stream {}: record {} was altered on its way", header.stream, header.sequence);
}

Status Link::take_record(const RecordHeader& header, SealedPtr record) {
  std::unique_lock lock(mutex_);
  if (!incoming_.contains(header.stream) && incoming_.size() >= context_.agreed.streams_max) {
    return fail(Code::kCorrupt, "more streams than were agreed");
  }
  if (header.stream % context_.agreed.connections != index_)
    return fail(Code::kCorrupt, "a stream on another's connection");
  Incoming& stream = incoming_[header.stream];
  if (header.sequence < stream.received) {
    lock.unlock();
    return check_duplicate(header, *record);
  }
  if (header.sequence > stream.received) {
    return fail(Code::kCorrupt, "stream {}: record {} came where {} was due", header.stream, header.sequence,
                stream.received);
  }
  if (stream.last) return fail(Code::kCorrupt, "stream {} goes on after its end", header.stream);
  if (stream.bytes + record->cost() > context_.agreed.window_bytes + Sealed::kCostMax) {
    return fail(Code::kCorrupt, "stream {}: more was sent than the window allows", header.stream);
  }
  stream.last = header.kind == RecordKind::kLast;
  stream.bytes += record->cost();
  ++stream.received;
  stream.arrived.push_back(std::move(record));
  lock.unlock();
  stream.changed.notify_one();  // streams are never removed
  return {};
}

void Link::free_taken(Outgoing& stream, std::uint64_t taken) {
  while (stream.first < taken) {
    stream.bytes -= stream.kept.front()->cost();
    stream.kept.pop_front();
    ++stream.first;
  }
  stream.changed.notify_all();
}

// Where the other side is on a new connection: sending goes on at `received`, with the very same bytes.
Status Link::take_resume(const std::vector<StreamPosition>& positions, Connection& connection) {
  const std::scoped_lock lock(mutex_);
  for (auto& [id, stream] : outgoing_) {
    const auto said = std::ranges::find(positions, id, &StreamPosition::stream);
    const StreamPosition position = said != positions.end() ? *said : StreamPosition{.stream = id};
    if (position.taken < stream.first || position.received > stream.next) {
      return fail(Code::kCorrupt, "the other side's position in stream {} cannot be", id);
    }
    free_taken(stream, position.taken);
    stream.next = position.received;
  }
  const bool unknown =
      std::ranges::any_of(positions, [&](const auto& p) { return !outgoing_.contains(p.stream); });
  if (unknown) return fail(Code::kCorrupt, "the other side has records of a stream that was never sent");
  connection.resumed = true;
  to_send_.notify_one();
  return {};
}

Status Link::take_ack(const std::vector<StreamPosition>& positions) {
  const std::scoped_lock lock(mutex_);
  for (const StreamPosition& position : positions) {
    const auto found = outgoing_.find(position.stream);
    const bool sensible = found != outgoing_.end() && position.received <= found->second.next;
    if (!sensible) return fail(Code::kCorrupt, "an acknowledgement of what was never sent");
    if (position.taken > found->second.first) free_taken(found->second, position.taken);
  }
  return {};
}

}  // namespace sealift::transport
