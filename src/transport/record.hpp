#pragma once

// The sealed record: everything on a bulk connection after its attachment (attach.hpp). Big-endian:
//
//   offset size
//        0    2  magic 0x5352 "SR"
//        2    1  version, kRecordVersion
//        3    1  kind (RecordKind)
//        4    2  stream; 0 for link records
//        6    2  reserved, 0
//        8    8  sequence
//       16    4  length of the sealed bytes, at most kRecordBytesMax
//       20    4  reserved, 0
//       24       sealed bytes (AES-256-GCM; as long as the plaintext)
//    24+len  16  tag
//
// All 24 header bytes are the associated data and the sequence is the nonce: what was sealed for one stream,
// place, kind, direction or session opens nowhere else (another key, or another nonce, or other associated
// data).
//
//   stream records  data: 1 to kRecordBytesMax bytes;  last: no bytes, the stream's one and only end
//     Each stream and direction has its own keys and counts its records from 0. A record is sealed once, and
//     sent again as the very same bytes after a lost connection.
//   link records    resume, ack, ping (below): about one TCP connection, under keys of that connection alone
//     (attach.hpp) counted from 0, so that none of them means anything on another connection.
//
// Keys: stream key g of stream s in direction d (0 initiator to acceptor, 1 back), for sequences g*2^20 to
// (g+1)*2^20-1:  HKDF-SHA-256(session secret, "", "sealift stream" || u8 d || u16 s || u64 g), 32 bytes.
// The session secret is the first TLS connection's exporter value (control.hpp).
//
// Body of resume (first record of each side on a connection) and ack: a list of entries, to the end:
//   u16 stream || u64 received || u64 taken     records of the opposite direction, counted from the first:
//   received = arrived whole; taken = given to the reader and done with, which frees the sender's copy.
// A resume names every stream that this side has records of; the other side goes on at `received`, in
// full order. ping: empty body, keeps an idle connection alive.

#include <array>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/aead.hpp"

namespace sealift::transport {

using StreamId = std::uint16_t;

constexpr std::uint16_t kRecordMagic = 0x5352;
constexpr std::uint8_t kRecordVersion = 1;
constexpr std::size_t kRecordHeaderBytes = 24;
constexpr std::size_t kRecordBytesMax = 256 * 1024 + 4 * 1024;
constexpr std::size_t kRecordOverheadBytes = kRecordHeaderBytes + crypto::kAeadTagBytes;
constexpr std::size_t kSealedBytesMax = kRecordBytesMax + kRecordOverheadBytes;
constexpr std::size_t kLinkBodyBytesMax = 16 * 1024;

enum class RecordKind : std::uint8_t { kData = 1, kLast = 2, kResume = 16, kAck = 17, kPing = 18 };
constexpr bool is_link_kind(RecordKind kind) {
  return kind >= RecordKind::kResume;
}

struct RecordHeader {
  RecordKind kind = RecordKind::kData;
  StreamId stream = 0;
  std::uint64_t sequence = 0;
  std::uint32_t length = 0;
  bool operator==(const RecordHeader&) const = default;
};

void encode_record_header(const RecordHeader& header, std::span<std::uint8_t, kRecordHeaderBytes> out);
// kCorrupt: anything that the table above doesn't allow, length and kind together included.
Result<RecordHeader> decode_record_header(std::span<const std::uint8_t, kRecordHeaderBytes> in);

struct StreamPosition {
  StreamId stream = 0;
  std::uint64_t received = 0;
  std::uint64_t taken = 0;
  bool operator==(const StreamPosition&) const = default;
};
constexpr std::size_t kStreamPositionBytes = 18;

Bytes encode_positions(const std::vector<StreamPosition>& positions);
// kCorrupt: cut short, stream 0 or named twice, taken > received.
Result<std::vector<StreamPosition>> decode_positions(ByteView body);

}  // namespace sealift::transport
