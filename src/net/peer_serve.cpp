#include "base/log.hpp"
#include "net/error_wire.hpp"
#include "net/peer_impl.hpp"

namespace sealift::net {

namespace {

constexpr std::uint8_t kTlsHandshakeRecord = 0x16;  // RFC 8446 5.1, ContentType handshake
constexpr std::uint8_t kBulkFirstByte = 'B';
constexpr std::uint8_t kCallFirstByte = 'C';
constexpr Milliseconds kRefusalWithin{2'000};
constexpr Milliseconds kCallOutWithin{3'000};

}  // namespace

void PeerServer::Impl::call_out(const Outgoing& outgoing, Admission::Ticket& ticket) {
  const Deadline deadline = Deadline::in(kCallOutWithin);
  auto socket = TcpStream::connect(outgoing.to, deadline, stop.token());
  Status said = socket ? socket->write_all(outgoing.preamble, deadline, stop.token())
                       : Status(std::unexpected(socket.error()));
  if (!said) return outgoing.failed(said.error());
  serve(std::move(*socket), ticket, outgoing.peer);
}

void PeerServer::Impl::sweep() {
  std::list<Worker> ended;
  {
    auto locked = state.lock();
    for (auto worker = locked->workers.begin(); worker != locked->workers.end();) {
      const auto next = std::next(worker);
      if (worker->done->load()) ended.splice(ended.end(), locked->workers, worker);
      worker = next;
    }
  }
}

void PeerServer::Impl::serve(TcpStream socket, Admission::Ticket& ticket,
                             const std::optional<crypto::PublicKey>& only) {
  const Deadline deadline = Deadline::in(options.handshake_deadline);
  std::uint8_t first = 0;
  const auto peeked = socket.peek({&first, 1}, deadline, stop.token());
  if (!peeked || *peeked == 0) return;
  if (first == kTlsHandshakeRecord) {
    serve_tls(std::move(socket), ticket, only, deadline);
  } else if (first == kBulkFirstByte && bulk_handler) {
    bulk_handler(std::move(socket), [&ticket] { ticket.authenticated(std::nullopt); }, stop.token());
  } else if (first == kCallFirstByte && call_back_handler && !only) {
    call_back_handler(std::move(socket), deadline, stop.token());
  }
}

void PeerServer::Impl::serve_tls(TcpStream socket, Admission::Ticket& ticket,
                                 const std::optional<crypto::PublicKey>& only, Deadline deadline) {
  const std::string from = socket.peer();
  auto stream = accept_tls(std::move(socket), identity, deadline, stop.token());
  if (!stream) {
    log_info("peer.handshake", {{"from", from}, {"error", stream.error().message}});
    return;
  }
  if (only && stream->peer_key() != *only) {
    log_warning("peer.other_key", {{"at", from}, {"key", stream->peer_key().hex()}});
    return;
  }
  const auto frame = receive_frame(*stream, kHelloBytesMax, deadline, stop.token());
  if (!frame || frame->frame_class != FrameClass::kHello ||
      frame->type != static_cast<std::uint16_t>(HelloType::kHello)) {
    return;
  }
  auto hello = decode_hello(frame->body);
  auto handler = hello ? admit(*stream, *hello, ticket) : Result<Handler>(std::unexpected(hello.error()));
  if (!handler) return refuse(*stream, from, handler.error());
  const Hello welcome{.versions = {kWireVersion},
                      .purpose = hello->purpose,
                      .host_name = options.host_name,
                      .domain = state.lock()->domain};
  const Status sent = send_frame(*stream, FrameClass::kHello, static_cast<std::uint16_t>(HelloType::kWelcome),
                                 encode_hello(welcome), deadline, stop.token());
  if (!sent) return;
  const crypto::PublicKey key = stream->peer_key();
  (*handler)(PeerConnection{.stream = std::move(*stream), .key = key, .hello = std::move(*hello)},
             stop.token());
}

void PeerServer::Impl::refuse(TlsStream& stream, const std::string& from, const Error& reason) {
  log_info("peer.refused", {{"from", from}, {"key", stream.peer_key().hex()}, {"reason", reason.message}});
  static_cast<void>(send_frame(stream, FrameClass::kHello, static_cast<std::uint16_t>(HelloType::kRefused),
                               encode_error(reason), Deadline::in(kRefusalWithin), stop.token()));
  stream.close();
}

Result<PeerServer::Handler> PeerServer::Impl::admit(const TlsStream& stream, const Hello& hello,
                                                    Admission::Ticket& ticket) {
  const Hello ours{
      .versions = {kWireVersion}, .purpose = hello.purpose, .host_name = options.host_name, .domain = {}};
  SEALIFT_TRY(common_version(ours, hello));
  SEALIFT_TRY_STATUS(authorise(stream.peer_key(), hello));
  const auto found = handlers.find(hello.purpose);
  if (found == handlers.end()) {
    return fail(Code::kUnsupported, "{} does not serve '{}'", options.host_name, hello.purpose);
  }
  if (!ticket.authenticated(stream.peer_key()))
    return fail(Code::kExhausted, "{} holds {} connections here already: try again later", hello.host_name,
                options.limits.connections_per_peer);
  return found->second;
}

}  // namespace sealift::net
