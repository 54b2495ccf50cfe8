#include "net/error_wire.hpp"
#include "net/peer.hpp"

namespace sealift::net {

namespace {

Result<PeerConnection> greet(TlsStream stream, const Hello& hello, Deadline deadline, const Stop& stop) {
  SEALIFT_TRY_STATUS(send_frame(stream, FrameClass::kHello, static_cast<std::uint16_t>(HelloType::kHello),
                                encode_hello(hello), deadline, stop));
  const Frame frame = SEALIFT_TRY(receive_frame(stream, kHelloBytesMax, deadline, stop));
  if (frame.frame_class != FrameClass::kHello)
    return fail(Code::kInvalid, "{} answers HELLO with something else", stream.peer());
  if (frame.type == static_cast<std::uint16_t>(HelloType::kRefused)) {
    return std::unexpected(SEALIFT_TRY(decode_error(frame.body)));
  }
  if (frame.type != static_cast<std::uint16_t>(HelloType::kWelcome)) {
    return fail(Code::kInvalid, "{} answers HELLO with something else", stream.peer());
  }
  Hello theirs = SEALIFT_TRY(decode_hello(frame.body));
  SEALIFT_TRY(common_version(hello, theirs));
  if (theirs.purpose != hello.purpose)
    return fail(Code::kInvalid, "{} answers for another purpose", stream.peer());
  const crypto::PublicKey key = stream.peer_key();
  return PeerConnection{.stream = std::move(stream), .key = key, .hello = std::move(theirs)};
}

}  // namespace

Result<PeerConnection> dial_peer(const DialOptions& options, const crypto::Identity& identity,
                                 Deadline deadline, const Stop& stop) {
  Error last{Code::kUnavailable, "no address is known"};
  for (const Endpoint& endpoint : options.endpoints) {
    auto stream = connect_tls(endpoint, identity, options.expected, deadline, stop);
    if (stream) return greet(std::move(*stream), options.hello, deadline, stop);
    last = stream.error();
    last.message = fmt::format("{}: {}", endpoint.text(), last.message);
    if (last.code == Code::kCancelled || deadline.passed()) break;
  }
  return std::unexpected(std::move(last));
}

}  // namespace sealift::net
