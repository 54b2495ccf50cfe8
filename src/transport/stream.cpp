#include "transport/stream.hpp"

#include "base/check.hpp"
#include "transport/stream_ends.hpp"

namespace sealift::transport {

namespace {

std::span<std::uint8_t, crypto::kAeadTagBytes> tag_of(const Sealed& record) {
  return std::span<std::uint8_t, crypto::kAeadTagBytes>(
      record.buffer.get() + record.size - crypto::kAeadTagBytes, crypto::kAeadTagBytes);
}

}  // namespace

StreamWriter::Impl::Impl(std::shared_ptr<SessionCore> session_core, StreamId stream)
    : core(std::move(session_core)),
      link(core->link_of(stream)),
      id(stream),
      buffer(core->context.pool.take()) {}

StreamWriter::Impl::~Impl() {
  core->context.pool.give(std::move(buffer));
}

// Seals the buffer's first n bytes in place and hands the whole buffer over; a fresh one takes its place.
Status StreamWriter::Impl::seal(RecordKind kind, std::size_t n, Deadline deadline, const Stop& stop) {
  SEALIFT_CHECK(!finished);
  SEALIFT_TRY_STATUS(link.wait_room(id, deadline, stop));
  const std::uint64_t group = sequence >> kKeyGroupShift;
  if (!sealer || group != key_group) {
    sealer.emplace(stream_key(core->context.secret, core->context.side, id, group));
    key_group = group;
  }
  const RecordHeader header{
      .kind = kind, .stream = id, .sequence = sequence, .length = static_cast<std::uint32_t>(n)};
  const std::span<std::uint8_t, kRecordHeaderBytes> head(buffer.get(), kRecordHeaderBytes);
  encode_record_header(header, head);
  auto record = std::make_shared<Sealed>(core->context.pool, std::move(buffer), kRecordOverheadBytes + n);
  buffer = core->context.pool.take();
  sealer->seal(sequence++, head, record->bytes().subspan(kRecordHeaderBytes, n), tag_of(*record));
  core->transcripts.add(id, Direction::kSent, head, tag_of(*record), n);
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
  const std::size_t bytes = record->size;
  record.reset();
  link.done_with(id, bytes);
}

Result<std::optional<ByteView>> StreamReader::Impl::next(Deadline deadline, const Stop& stop) {
  release();
  if (ended) return std::nullopt;
  record = SEALIFT_TRY(link.next(id, deadline, stop));
  const std::span<std::uint8_t, kRecordHeaderBytes> head(record->buffer.get(), kRecordHeaderBytes);
  const RecordHeader header = SEALIFT_TRY(decode_record_header(head));
  const std::uint64_t group = header.sequence >> kKeyGroupShift;
  if (!opener || group != key_group) {
    opener.emplace(stream_key(core->context.secret, other(core->context.side), id, group));
    key_group = group;
  }
  const MutableByteView body = record->bytes().subspan(kRecordHeaderBytes, header.length);
  const auto tag = tag_of(*record);
  if (const Status opened = opener->open(header.sequence, head, body, tag); !opened) {
    core->context.fail(
        {Code::kCorrupt, fmt::format("stream {}: record {} was altered on its way", id, header.sequence)});
    return std::unexpected(*core->context.failure());
  }
  core->transcripts.add(id, Direction::kReceived, head, tag, header.length);
  if (header.kind == RecordKind::kLast) {
    ended = true;
    release();
    return std::nullopt;
  }
  return ByteView(body);
}

Result<std::optional<ByteView>> StreamReader::next(Deadline deadline, const Stop& stop) {
  return impl_->next(deadline, stop);
}

}  // namespace sealift::transport
