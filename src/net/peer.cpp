#include "net/peer.hpp"

#include "base/check.hpp"
#include "base/log.hpp"
#include "net/peer_impl.hpp"

namespace sealift::net {

namespace {

constexpr Milliseconds kSayFullEvery{1'000};

}  // namespace

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
