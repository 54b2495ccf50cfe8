#include "transport/stream.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "transport/stream_ends.hpp"

namespace sealift::transport {

StreamWriter::Impl::Impl(std::shared_ptr<SessionCore> session_core, StreamId stream)
    : core(std::move(session_core)),
      link(core->link_of(stream)),
      id(stream),
      buffer(core->context.pool.take()) {}

StreamWriter::Impl::~Impl() {
  core->context.pool.give(std::move(buffer));
}

// Seals the buffer's first n bytes in place. A large record takes the whole buffer along and a fresh one
// takes its place; a small one is copied.
Status StreamWriter::Impl::seal(RecordKind kind, std::size_t n, Deadline deadline, const Stop& stop) {
  SEALIFT_CHECK(!finished);
  SEALIFT_TRY_STATUS(link.wait_room(id, deadline, stop));
  const std::uint64_t group = sequence >> kKeyGroupShift;
  if (!sealer || group != key_group) {
    sealer.emplace(stream_key(core->context.secret, core->context.side, id, group));
    key_group = group;
  }
  const std::size_t size = kRecordOverheadBytes + n;
  SealedPtr record;
  if (size <= Sealed::kSmallBytes) {
    record = std::make_shared<Sealed>(size);
    std::copy_n(buffer.get() + kRecordHeaderBytes, n, record->body().begin());
  } else {
    record =
        std::make_shared<Sealed>(core->context.pool, std::exchange(buffer, core->context.pool.take()), size);
  }
  encode_record_header(
      {.kind = kind, .stream = id, .sequence = sequence, .length = static_cast<std::uint32_t>(n)},
      record->head());
  sealer->seal(sequence++, record->head(), record->body(), record->tag());
  core->transcripts.add(id, Direction::kSent, record->head(), record->tag(), n);
  link.commit(id, std::move(record));
  return {};
}

StreamWriter::StreamWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StreamWriter::StreamWriter(StreamWriter&&) noexcept = default;
StreamWriter::~StreamWriter() = default;

MutableByteView StreamWriter::buffer() {
  return {impl_->buffer.get() + kRecordHeaderBytes, kRecordBytesMax};
}

Status StreamWriter::commit(std::size_t n, Deadline deadline, const Stop& stop) {
  SEALIFT_CHECK(n >= 1 && n <= kRecordBytesMax);
  return impl_->seal(RecordKind::kData, n, deadline, stop);
}

Status StreamWriter::finish(Deadline deadline, const Stop& stop) {
  SEALIFT_TRY_STATUS(impl_->seal(RecordKind::kLast, 0, deadline, stop));
  impl_->finished = true;
  return {};
}

Status StreamWriter::flush(Deadline deadline, const Stop& stop) {
  return impl_->link.wait_taken(impl_->id, deadline, stop);
}

StreamReader::StreamReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StreamReader::StreamReader(StreamReader&&) noexcept = default;
StreamReader::~StreamReader() = default;

void StreamReader::Impl::release() {
  if (!record) return;
  const std::size_t cost = record->cost();
  record.reset();
  link.done_with(id, cost);
}

Result<std::optional<ByteView>> StreamReader::Impl::next(Deadline deadline, const Stop& stop) {
  release();
  if (ended) return std::nullopt;
  record = SEALIFT_TRY(link.next(id, deadline, stop));
  const RecordHeader header = SEALIFT_TRY(decode_record_header(record->head()));
  const std::uint64_t group = header.sequence >> kKeyGroupShift;
  if (!opener || group != key_group) {
    opener.emplace(stream_key(core->context.secret, other(core->context.side), id, group));
    key_group = group;
  }
  const auto opened = opener->open(header.sequence, record->head(), record->body(), record->tag());
  if (!opened) {
    core->context.fail(
        {Code::kCorrupt, fmt::format("stream {}: record {} was altered on its way", id, header.sequence)});
    return std::unexpected(*core->context.failure());
  }
  core->transcripts.add(id, Direction::kReceived, record->head(), record->tag(), header.length);
  if (header.kind == RecordKind::kLast) {
    ended = true;
    release();
    return std::nullopt;
  }
  return ByteView(record->body());
}

Result<std::optional<ByteView>> StreamReader::next(Deadline deadline, const Stop& stop) {
  return impl_->next(deadline, stop);
}

}  // namespace sealift::transport
