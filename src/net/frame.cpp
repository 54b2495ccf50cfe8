#include "net/frame.hpp"

#include <algorithm>
#include <array>

#include "base/check.hpp"

namespace sealift::net {

namespace {
constexpr std::array<std::uint8_t, 4> kMagic{'S', 'L', 'F', 'T'};
}

void encode_frame_header(const FrameHeader& header, std::span<std::uint8_t, kFrameHeaderBytes> out) {
  std::ranges::copy(kMagic, out.begin());
  out[4] = header.version;
  out[5] = static_cast<std::uint8_t>(header.frame_class);
  store_be16(&out[6], header.type);
  store_be32(&out[8], 0);
  store_be32(&out[12], header.length);
}

Result<FrameHeader> decode_frame_header(std::span<const std::uint8_t, kFrameHeaderBytes> in) {
  if (!std::ranges::equal(in.first<4>(), kMagic)) return fail(Code::kInvalid, "not a sealift frame");
  FrameHeader header{
      .version = in[4], .frame_class = {}, .type = load_be16(&in[6]), .length = load_be32(&in[12])};
  if (in[5] < static_cast<std::uint8_t>(FrameClass::kHello) ||
      in[5] > static_cast<std::uint8_t>(FrameClass::kSession)) {
    return fail(Code::kInvalid, "frame of unknown class {}", in[5]);
  }
  header.frame_class = static_cast<FrameClass>(in[5]);
  if (load_be32(&in[8]) != 0) return fail(Code::kInvalid, "reserved bytes of a frame are not 0");
  if (header.version != kWireVersion && header.frame_class != FrameClass::kHello) {
    return fail(Code::kUnsupported, "the peer sent a frame of wire version {}, this host speaks {}",
                header.version, kWireVersion);
  }
  return header;
}

Status send_frame(Stream& stream, FrameClass frame_class, std::uint16_t type, ByteView body,
                  Deadline deadline, const Stop& stop) {
  SEALIFT_CHECK(body.size() <= UINT32_MAX);
  // One buffer, one write: a header alone would be a TLS record and a packet of its own.
  Bytes bytes(kFrameHeaderBytes + body.size());
  encode_frame_header(
      {.frame_class = frame_class, .type = type, .length = static_cast<std::uint32_t>(body.size())},
      std::span<std::uint8_t, kFrameHeaderBytes>(bytes.data(), kFrameHeaderBytes));
  std::ranges::copy(body, bytes.begin() + kFrameHeaderBytes);
  return stream.write_all(bytes, deadline, stop);
}

Result<Frame> receive_frame(Stream& stream, std::size_t body_bytes_max, Deadline deadline, const Stop& stop) {
  std::array<std::uint8_t, kFrameHeaderBytes> bytes{};
  SEALIFT_TRY_STATUS(read_exact(stream, bytes, deadline, stop));
  const FrameHeader header = SEALIFT_TRY(decode_frame_header(bytes));
  if (header.length > body_bytes_max) {
    return fail(Code::kInvalid, "frame of {} bytes, at most {} are taken here", header.length,
                body_bytes_max);
  }
  Frame frame{.frame_class = header.frame_class, .type = header.type, .body = Bytes(header.length)};
  if (header.length > 0) {
    auto read = read_exact(stream, frame.body, deadline, stop);
    if (!read && read.error().code == Code::kClosed && header.length > 0) {
      return fail(Code::kUnavailable, "the connection ended within a frame");
    }
    if (!read) return std::unexpected(std::move(read).error());
  }
  return frame;
}

}  // namespace sealift::net
