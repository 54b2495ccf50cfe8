#include "net/peer.hpp"

#include <atomic>
#include <list>
#include <map>
#include <thread>

#include "base/check.hpp"
#include "base/guarded.hpp"
#include "base/log.hpp"
#include "net/error_wire.hpp"

namespace sealift::net {

namespace {

constexpr std::uint8_t kTlsHandshakeRecord = 0x16;  // RFC 8446 5.1, ContentType handshake
constexpr std::uint8_t kBulkFirstByte = 'B';
constexpr Milliseconds kRefusalWithin{2'000};

}  // namespace

struct PeerServer::Impl {
  struct Worker {
    std::jthread thread;
    std::shared_ptr<std::atomic<bool>> done;  // shared: set by the thread, read by the sweep
  };
  struct State {
    std::string domain;
    std::size_t unauthenticated = 0;
    std::size_t connections = 0;
    std::list<Worker> workers;
  };
  // Counts a connection; the unauthenticated part ends once, by authenticated() or at the end.
  class Ticket {
   public:
    explicit Ticket(Impl& impl) : impl_(impl) {}
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    ~Ticket() {
      authenticated();
      --impl_.state.lock()->connections;
    }
    void authenticated() {
      if (!std::exchange(known_, true)) --impl_.state.lock()->unauthenticated;
    }

   private:
    Impl& impl_;
    bool known_ = false;
  };

  crypto::Identity identity;
  PeerServerOptions options;
  Authorise authorise;
  std::map<std::string, Handler> handlers;
  BulkHandler bulk_handler;
  std::optional<TcpListener> listener;
  StopSource stop;
  Guarded<State> state;
  std::jthread accepting;

  Impl(crypto::Identity own, PeerServerOptions given, Authorise ask)
      : identity(std::move(own)), options(std::move(given)), authorise(std::move(ask)) {
    state.lock()->domain = options.domain;
  }

  void accept_loop();
  void take(TcpStream socket);
  void sweep();
  void serve(TcpStream socket, Ticket& ticket);
  void serve_tls(TcpStream socket, Ticket& ticket, Deadline deadline);
  Result<Handler> admit(const TlsStream& stream, const Hello& hello);
};

void PeerServer::Impl::accept_loop() {
  while (!stop.stopped()) {
    auto socket = listener->accept(Deadline::never(), stop.token());
    if (socket) {
      take(std::move(*socket));
    } else if (socket.error().code != Code::kCancelled) {
      log_warning("peer.accept", {{"error", socket.error().message}});
      stop.token().sleep(Milliseconds(100));  // out of descriptors: the backlog waits
    }
    sweep();
  }
}

void PeerServer::Impl::take(TcpStream socket) {
  auto locked = state.lock();
  if (locked->unauthenticated >= options.unauthenticated_max ||
      locked->connections >= options.connections_max) {
    log_warning("peer.full", {{"from", socket.peer()}});
    return;  // closed at once
  }
  ++locked->unauthenticated;
  ++locked->connections;
  auto done = std::make_shared<std::atomic<bool>>(false);
  auto shared =
      std::make_shared<TcpStream>(std::move(socket));  // shared: a thread's function must be copyable
  locked->workers.push_back({std::jthread([this, shared, done] {
                               {
                                 Ticket ticket(*this);
                                 serve(std::move(*shared), ticket);
                               }
                               done->store(true);
                             }),
                             done});
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

void PeerServer::Impl::serve(TcpStream socket, Ticket& ticket) {
  const Deadline deadline = Deadline::in(options.handshake_deadline);
  std::uint8_t first = 0;
  const auto peeked = socket.peek({&first, 1}, deadline, stop.token());
  if (!peeked || *peeked == 0) return;
  if (first == kTlsHandshakeRecord) {
    serve_tls(std::move(socket), ticket, deadline);
  } else if (first == kBulkFirstByte && bulk_handler) {
    bulk_handler(std::move(socket), [&ticket] { ticket.authenticated(); }, stop.token());
  }
}

void PeerServer::Impl::serve_tls(TcpStream socket, Ticket& ticket, Deadline deadline) {
  const std::string from = socket.peer();
  auto stream = accept_tls(std::move(socket), identity, deadline, stop.token());
  if (!stream) {
    log_info("peer.handshake", {{"from", from}, {"error", stream.error().message}});
    return;
  }
  const auto frame = receive_frame(*stream, kHelloBytesMax, deadline, stop.token());
  if (!frame || frame->frame_class != FrameClass::kHello ||
      frame->type != static_cast<std::uint16_t>(HelloType::kHello)) {
    return;
  }
  auto hello = decode_hello(frame->body);
  auto handler = hello ? admit(*stream, *hello) : Result<Handler>(std::unexpected(hello.error()));
  if (!handler) {
    log_info("peer.refused",
             {{"from", from}, {"key", stream->peer_key().hex()}, {"reason", handler.error().message}});
    const Bytes body = encode_error(handler.error());
    static_cast<void>(send_frame(*stream, FrameClass::kHello, static_cast<std::uint16_t>(HelloType::kRefused),
                                 body, Deadline::in(kRefusalWithin), stop.token()));
    stream->close();
    return;
  }
  const Hello welcome{.versions = {kWireVersion},
                      .purpose = hello->purpose,
                      .host_name = options.host_name,
                      .domain = state.lock()->domain};
  const Status sent = send_frame(*stream, FrameClass::kHello, static_cast<std::uint16_t>(HelloType::kWelcome),
                                 encode_hello(welcome), deadline, stop.token());
  if (!sent) return;
  ticket.authenticated();
  const crypto::PublicKey key = stream->peer_key();
  (*handler)(PeerConnection{.stream = std::move(*stream), .key = key, .hello = std::move(*hello)},
             stop.token());
}

Result<PeerServer::Handler> PeerServer::Impl::admit(const TlsStream& stream, const Hello& hello) {
  const Hello ours{
      .versions = {kWireVersion}, .purpose = hello.purpose, .host_name = options.host_name, .domain = {}};
  SEALIFT_TRY(common_version(ours, hello));
  SEALIFT_TRY_STATUS(authorise(stream.peer_key(), hello));
  const auto found = handlers.find(hello.purpose);
  if (found == handlers.end()) {
    return fail(Code::kUnsupported, "{} does not serve '{}'", options.host_name, hello.purpose);
  }
  return found->second;
}

PeerServer::PeerServer(const crypto::Identity& identity, PeerServerOptions options, Authorise authorise)
    : impl_(std::make_unique<Impl>(identity.clone(), std::move(options), std::move(authorise))) {}

PeerServer::~PeerServer() {
  stop();
}

void PeerServer::on(std::string purpose, Handler handler) {
  SEALIFT_CHECK(!impl_->accepting.joinable());
  impl_->handlers[std::move(purpose)] = std::move(handler);
}

void PeerServer::on_bulk(BulkHandler handler) {
  SEALIFT_CHECK(!impl_->accepting.joinable());
  impl_->bulk_handler = std::move(handler);
}

Status PeerServer::start(const Endpoint& listen) {
  SEALIFT_CHECK(!impl_->accepting.joinable());
  impl_->listener.emplace(SEALIFT_TRY(TcpListener::listen(listen)));
  impl_->accepting = std::jthread([impl = impl_.get()] { impl->accept_loop(); });
  return {};
}

std::uint16_t PeerServer::port() const {
  return impl_->listener ? impl_->listener->port() : 0;
}

std::string PeerServer::domain() const {
  return impl_->state.lock()->domain;
}

void PeerServer::set_domain(std::string domain) {
  impl_->state.lock()->domain = std::move(domain);
}

void PeerServer::stop() {
  impl_->stop.stop();
  if (impl_->accepting.joinable()) impl_->accepting.join();
  std::list<Impl::Worker> ending;
  ending.splice(ending.end(), impl_->state.lock()->workers);
}

std::size_t PeerServer::connections() const {
  return impl_->state.lock()->connections;
}

}  // namespace sealift::net
