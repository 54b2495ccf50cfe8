#include "transport/acceptor.hpp"

#include <algorithm>
#include <map>

#include "base/check.hpp"
#include "base/log.hpp"
#include "net/error_wire.hpp"
#include "transport/core.hpp"

namespace sealift::transport {

namespace {

constexpr std::size_t kFirstFrameBytesMax = 256;
constexpr Milliseconds kFirstFrameWithin{10'000};
constexpr Milliseconds kAnswerWithin{5'000};

Status answer(net::TlsStream& stream, ControlType type, ByteView body, const Stop& stop) {
  return net::send_frame(stream, net::FrameClass::kSession, static_cast<std::uint16_t>(type), body,
                         Deadline::in(kAnswerWithin), stop);
}

}  // namespace

struct Acceptor::Impl {
  SessionOptions options;
  OnSession on_session;
  std::size_t sessions_max;
  Guarded<std::map<SessionId, std::weak_ptr<SessionCore>>> open;

  std::shared_ptr<SessionCore> find(const SessionId& id) {
    auto sessions = open.lock();
    const auto found = sessions->find(id);
    return found != sessions->end() ? found->second.lock() : nullptr;
  }
  Result<std::shared_ptr<SessionCore>> make(const OpenRequest& request,
                                            const net::PeerConnection& connection);
  void serve(net::PeerConnection connection, const Stop& stop);
  void serve_open(net::PeerConnection connection, ByteView body, const Stop& stop);
  void serve_rejoin(net::PeerConnection connection, ByteView body, const Stop& stop);
  void serve_bulk(net::TcpStream stream, const std::function<void()>& authenticated, const Stop& stop);
};

Result<std::shared_ptr<SessionCore>> Acceptor::Impl::make(const OpenRequest& request,
                                                          const net::PeerConnection& connection) {
  const Agreement agreed{
      .connections = request.wanted.connections,
      .window_bytes = std::min(request.wanted.window_bytes, static_cast<std::uint32_t>(options.window_bytes)),
      .streams_max = std::min(request.wanted.streams_max, static_cast<std::uint16_t>(options.streams_max))};
  auto sessions = open.lock();
  std::erase_if(*sessions, [](const auto& entry) { return entry.second.expired(); });
  if (sessions->contains(request.session)) return fail(Code::kConflict, "this session exists already");
  if (sessions->size() >= sessions_max)
    return fail(Code::kExhausted, "{} sessions are open here: try again later", sessions_max);
  auto core = std::make_shared<SessionCore>(
      Side::kAcceptor, request.session, agreed, options, connection.key,
      connection.stream.export_key(kSessionLabel, request.session, kSessionSecretBytes));
  (*sessions)[request.session] = core;
  return core;
}

void Acceptor::Impl::serve(net::PeerConnection connection, const Stop& stop) {
  const auto first =
      net::receive_frame(connection.stream, kFirstFrameBytesMax, Deadline::in(kFirstFrameWithin), stop);
  if (!first || first->frame_class != net::FrameClass::kSession) return;
  if (first->type == static_cast<std::uint16_t>(ControlType::kOpen))
    serve_open(std::move(connection), first->body, stop);
  if (first->type == static_cast<std::uint16_t>(ControlType::kRejoin))
    serve_rejoin(std::move(connection), first->body, stop);
}

void Acceptor::Impl::serve_open(net::PeerConnection connection, ByteView body, const Stop& stop) {
  const auto request = decode_open(body);
  auto core = request ? make(*request, connection)
                      : Result<std::shared_ptr<SessionCore>>(std::unexpected(request.error()));
  if (!core) {
    static_cast<void>(answer(connection.stream, ControlType::kFailed, net::encode_error(core.error()), stop));
    return;
  }
  if (!answer(connection.stream, ControlType::kOpened, encode_agreement((*core)->context.agreed), stop))
    return;
  const net::Hello hello = connection.hello;
  (*core)->start_acceptor(std::move(connection.stream), stop);
  auto session = std::unique_ptr<Session>(new Session(std::move(*core)));
  on_session(std::move(session), hello, stop);
}

void Acceptor::Impl::serve_rejoin(net::PeerConnection connection, ByteView body, const Stop& stop) {
  const auto request = decode_rejoin(body);
  if (!request) return;
  const auto core = find(request->session);
  // A stranger learns nothing: for another key the session does not exist.
  Error gone{Code::kUnavailable,
             "the other host does not know this session any more (was its daemon restarted?)"};
  const bool known = core && core->context.peer_key == connection.key;
  const auto failure = known ? core->context.failure() : std::nullopt;
  if (failure) gone = *failure;
  if (!known || failure) {
    static_cast<void>(answer(connection.stream, ControlType::kFailed, net::encode_error(gone), stop));
    return;
  }
  if (!answer(connection.stream, ControlType::kRejoined, encode_count(core->control.received()), stop))
    return;
  core->serve_control(std::move(connection.stream), request->received);
}

void Acceptor::Impl::serve_bulk(net::TcpStream stream, const std::function<void()>& authenticated,
                                const Stop& stop) {
  const Deadline deadline = Deadline::in(kFirstFrameWithin);
  const auto request = receive_attach(stream, deadline, stop);
  if (!request) return;
  const auto core = find(request->session);
  if (!core || core->context.failure() || request->link >= core->context.agreed.connections) return;
  const auto digest = answer_attach(stream, *request, core->context.secret, system_random(), deadline, stop);
  if (!digest) {
    log_warning("session.attach", {{"from", stream.peer()}, {"error", digest.error().message}});
    return;
  }
  authenticated();
  core->serve_bulk(request->link, std::move(stream), *digest);
}

Acceptor::Acceptor(SessionOptions options, OnSession on_session, std::size_t sessions_max)
    : impl_(new Impl{.options = options,
                     .on_session = std::move(on_session),
                     .sessions_max = sessions_max,
                     .open = {}}) {
  SEALIFT_CHECK(options_fit(options));
}

Acceptor::~Acceptor() = default;

net::PeerServer::Handler Acceptor::control_handler() {
  return [impl = impl_](net::PeerConnection connection, const Stop& stop) {
    impl->serve(std::move(connection), stop);
  };
}

net::PeerServer::BulkHandler Acceptor::bulk_handler() {
  return [impl = impl_](net::TcpStream stream, const std::function<void()>& authenticated, const Stop& stop) {
    impl->serve_bulk(std::move(stream), authenticated, stop);
  };
}

std::size_t Acceptor::sessions() const {
  auto sessions = impl_->open.lock();
  return static_cast<std::size_t>(
      std::ranges::count_if(*sessions, [](const auto& entry) { return !entry.second.expired(); }));
}

}  // namespace sealift::transport
