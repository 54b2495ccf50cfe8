#pragma once

// Frames: every message between hosts outside of bulk connections, inside TLS. Big-endian, 16-byte header:
//
//   offset size
//        0    4  magic "SLFT"
//        4    1  wire version, kWireVersion
//        5    1  class: 1 hello, 2 rpc, 3 session (FrameClass)
//        6    2  type, within the class
//        8    4  reserved, 0
//       12    4  length of the body, at most what the receiver takes
//       16       body
//
// The header is the same for all wire versions to come; of another version only hello frames (hello.hpp) are
// understood, so that a mismatch can name both versions. A receiver refuses everything else that is unknown.

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "net/stream.hpp"

namespace sealift::net {

constexpr std::uint8_t kWireVersion = 1;
constexpr std::size_t kFrameHeaderBytes = 16;

enum class FrameClass : std::uint8_t { kHello = 1, kRpc = 2, kSession = 3 };

struct FrameHeader {
  std::uint8_t version = kWireVersion;
  FrameClass frame_class = FrameClass::kHello;
  std::uint16_t type = 0;
  std::uint32_t length = 0;
  bool operator==(const FrameHeader&) const = default;
};

struct Frame {
  FrameClass frame_class = FrameClass::kHello;
  std::uint16_t type = 0;
  Bytes body;
};

void encode_frame_header(const FrameHeader& header, std::span<std::uint8_t, kFrameHeaderBytes> out);
// kInvalid: not a frame, unknown class, reserved not 0. kUnsupported: another wire version (not for hello).
Result<FrameHeader> decode_frame_header(std::span<const std::uint8_t, kFrameHeaderBytes> in);

Status send_frame(Stream& stream, FrameClass frame_class, std::uint16_t type, ByteView body,
                  Deadline deadline, const Stop& stop);
// kClosed: the stream ended in good order between frames. kInvalid: longer than body_bytes_max (nothing is
// allocated for it), or malformed.
Result<Frame> receive_frame(Stream& stream, std::size_t body_bytes_max, Deadline deadline, const Stop& stop);

}  // namespace sealift::net
