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
constexpr std::uint8_t kCallFirstByte = 'C';
constexpr Milliseconds kRefusalWithin{2'000};
constexpr Milliseconds kCallOutWithin{3'000};
constexpr Milliseconds kSayFullEvery{1'000};

}  // namespace

struct PeerServer::Impl {
  using Ticket = std::unique_ptr<Admission::Ticket>;
  struct Worker {
    std::jthread thread;
    std::shared_ptr<std::atomic<bool>> done;  // shared: set by the thread, read by the sweep
  };
  struct State {
    std::string domain;
    std::list<Worker> workers;
  };

  crypto::Identity identity;
  PeerServerOptions options;
  Authorise authorise;
  std::map<std::string, Handler> handlers;
  BulkHandler bulk_handler;
  CallBackHandler call_back_handler;
  std::optional<TcpListener> listener;
  StopSource stop;
  Admission admission;
  SteadyTime said_full{};  // by the accepting thread
  Guarded<State> state;
  std::jthread accepting;

  Impl(crypto::Identity own, PeerServerOptions given, Authorise ask)
      : identity(std::move(own)),
        options(std::move(given)),
        authorise(std::move(ask)),
        admission(options.limits) {
    state.lock()->domain = options.domain;
  }

  void accept_loop();
  void take(TcpStream socket);
  bool work(std::function<void()> work);
  void sweep();
  void call_out(const Outgoing& outgoing, Admission::Ticket& ticket);
  // only: the one peer that may speak on a connection that this host has made.
  void serve(TcpStream socket, Admission::Ticket& ticket, const std::optional<crypto::PublicKey>& only);
  void serve_tls(TcpStream socket, Admission::Ticket& ticket, const std::optional<crypto::PublicKey>& only,
                 Deadline deadline);
  void refuse(TlsStream& stream, const std::string& from, const Error& reason);
  Result<Handler> admit(const TlsStream& stream, const Hello& hello, Admission::Ticket& ticket);
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
  Ticket ticket = admission.enter(socket.source());
  if (!ticket) {  // closed at once; said now and then, since it may be a flood
    const SteadyTime now = std::chrono::steady_clock::now();
    if (now - std::exchange(said_full, now) >= kSayFullEvery)
      log_warning("peer.full", {{"from", socket.peer()}});
    return;
  }
  // Shared: a thread's function must be copyable.
  auto shared = std::make_shared<std::pair<TcpStream, Ticket>>(std::move(socket), std::move(ticket));
  work([this, shared] {
    serve(std::move(shared->first), *shared->second, std::nullopt);
    shared->second.reset();
  });
}

// False: the server has stopped.
bool PeerServer::Impl::work(std::function<void()> work) {
  auto done = std::make_shared<std::atomic<bool>>(false);
  auto locked = state.lock();
  if (stop.stopped()) return false;
  locked->workers.push_back({std::jthread([work = std::move(work), done] {
                               work();
                               done->store(true);
                             }),
                             done});
  return true;
}

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

void PeerServer::on_call_back(CallBackHandler handler) {
  SEALIFT_CHECK(!impl_->accepting.joinable());
  impl_->call_back_handler = std::move(handler);
}

Status PeerServer::serve_outgoing(Outgoing outgoing) {
  auto ticket = impl_->admission.enter(outgoing.peer.hex());
  if (!ticket) return fail(Code::kExhausted, "{} is busy with other connections", impl_->options.host_name);
  struct Task {
    Outgoing outgoing;
    Impl::Ticket ticket;
  };
  auto task = std::make_shared<Task>(std::move(outgoing), std::move(ticket));
  const bool begun = impl_->work([impl = impl_.get(), task] {
    impl->call_out(task->outgoing, *task->ticket);
    task->ticket.reset();
  });
  if (!begun) return fail(Code::kClosed, "{} is shutting down", impl_->options.host_name);
  return {};
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
  return impl_->admission.connections();
}

}  // namespace sealift::net
