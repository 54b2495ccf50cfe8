#include "transport/record.hpp"

#include <algorithm>

namespace sealift::transport {

namespace {

bool known_kind(std::uint8_t kind) {
  switch (static_cast<RecordKind>(kind)) {
    case RecordKind::kData:
    case RecordKind::kLast:
    case RecordKind::kResume:
    case RecordKind::kAck:
    case RecordKind::kPing: return true;
  }
  return false;
}

bool length_fits(const RecordHeader& header) {
  switch (header.kind) {
    case RecordKind::kData: return header.length >= 1 && header.length <= kRecordBytesMax;
    case RecordKind::kLast:
    case RecordKind::kPing: return header.length == 0;
    case RecordKind::kResume:
    case RecordKind::kAck: return header.length <= kLinkBodyBytesMax;
  }
  return false;
}

}  // namespace

void encode_record_header(const RecordHeader& header, std::span<std::uint8_t, kRecordHeaderBytes> out) {
  std::ranges::fill(out, std::uint8_t{0});
  store_be16(&out[0], kRecordMagic);
  out[2] = kRecordVersion;
  out[3] = static_cast<std::uint8_t>(header.kind);
  store_be16(&out[4], header.stream);
  store_be64(&out[8], header.sequence);
  store_be32(&out[16], header.length);
}

Result<RecordHeader> decode_record_header(std::span<const std::uint8_t, kRecordHeaderBytes> in) {
  const bool framed = load_be16(&in[0]) == kRecordMagic && in[2] == kRecordVersion &&
                      load_be16(&in[6]) == 0 && load_be32(&in[20]) == 0 && known_kind(in[3]);
  if (!framed) return fail(Code::kCorrupt, "not a sealed record");
  const RecordHeader header{.kind = static_cast<RecordKind>(in[3]),
                            .stream = load_be16(&in[4]),
                            .sequence = load_be64(&in[8]),
                            .length = load_be32(&in[16])};
  if (is_link_kind(header.kind) != (header.stream == 0)) return fail(Code::kCorrupt, "a record of no stream");
  if (!length_fits(header))
    return fail(Code::kCorrupt, "a record of {} bytes does not fit its kind", header.length);
  return header;
}

Bytes encode_positions(const std::vector<StreamPosition>& positions) {
  Encoder out;
  for (const StreamPosition& position : positions) {
    out.u16(position.stream).u64(position.received).u64(position.taken);
  }
  return out.take();
}

Result<std::vector<StreamPosition>> decode_positions(ByteView body) {
  if (body.size() % kStreamPositionBytes != 0) return fail(Code::kCorrupt, "stream positions are cut short");
  std::vector<StreamPosition> positions;
  for (std::size_t at = 0; at < body.size(); at += kStreamPositionBytes) {
    const StreamPosition position{.stream = load_be16(&body[at]),
                                  .received = load_be64(&body[at + 2]),
                                  .taken = load_be64(&body[at + 10])};
    const bool twice =
        std::ranges::any_of(positions, [&](const auto& p) { return p.stream == position.stream; });
    if (position.stream == 0 || twice || position.taken > position.received) {
      return fail(Code::kCorrupt, "stream positions make no sense");
    }
    positions.push_back(position);
  }
  return positions;
}

}  // namespace sealift::transport
