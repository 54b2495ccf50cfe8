// Loop: new connections, PROXY headers of clients, to which pool they go; what is watched of a connection.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>

#include "balance/loop.hpp"
#include "balance/proxy_header.hpp"
#include "base/log.hpp"

namespace sealift::balance {

namespace {
constexpr Milliseconds kHeaderPatience{5000};
}

void Loop::accept_some(std::size_t listener) {
  constexpr int kBatch = 64;  // then the others have their turn; epoll tells again what is left
  for (int i = 0; i < kBatch; ++i) {
    if (connections_.used() >= options_.connections_max) return set_accepting(false);
    sockaddr_storage from{};
    socklen_t bytes = sizeof(from);
    const int fd = ::accept4(listeners_[listener].fd.get(), reinterpret_cast<sockaddr*>(&from), &bytes,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      welcome(listener, fd, from);
      continue;
    }
    if (errno == EAGAIN) return;
    // Out of descriptors or memory: the kernel's queue keeps the clients until some are free again.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
      return set_accepting(false);
    // Others are of one connection that is gone already (accept(2), "error handling").
  }
}

void Loop::set_accepting(bool on) {
  if (accepting_ == on) return;
  accepting_ = on;
  if (!on) {
    const auto pauses = counters_.accept_pauses.fetch_add(1) + 1;
    if (pauses == 1)
      log_warning("balance.full", {{"connections", connections_.used()}, {"new_ones", "wait in the kernel"}});
  }
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (!listeners_[i].fd) continue;
    epoll_event event{.events = on ? EPOLLIN : 0U, .data = {.u64 = (1ULL << 63) | i}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listeners_[i].fd.get(), &event);
  }
}

void Loop::welcome(std::size_t listener, int fd, const sockaddr_storage& from) {
  counters_.accepted.fetch_add(1, std::memory_order_relaxed);
  const std::uint32_t number = connections_.make();
  Connection& c = connections_[number];
  c.fd[kClient] = fd;
  c.client = Address::from(from).value_or(Address{});
  c.listener = static_cast<std::uint16_t>(listener);
  c.started_ms = now_ms_;
  const ListenerView* view = views_[listener];
  if (view == nullptr) return end(number, Ending::kReset, "the listener was removed");
  if (!view->spec.accept_proxy) return route(number);
  arm(number, Stage::kHeader, kHeaderPatience);
  watch(number, kClient, EPOLLIN, EPOLL_CTL_ADD);  // what is there already is told as an event
}

void Loop::read_header(std::uint32_t number) {
  Connection& c = connections_[number];
  std::array<std::uint8_t, kProxyHeaderMax> bytes;
  const ssize_t count = ::recv(c.fd[kClient], bytes.data(), bytes.size(), MSG_PEEK);
  if (count < 0 && errno == EAGAIN) return;
  if (count <= 0) return end(number, Ending::kReset, "client gone before its PROXY header");
  const auto header = decode_proxy_header(ByteView(bytes).first(static_cast<std::size_t>(count)));
  const bool cut_short = header && !*header && (c.end_seen[kClient] || count == kProxyHeaderMax);
  if (!header || cut_short) {
    counters_.bad_headers.fetch_add(1, std::memory_order_relaxed);
    return end(number, Ending::kReset, "bad PROXY header");
  }
  if (!*header) return;
  ::recv(c.fd[kClient], bytes.data(), (*header)->bytes, 0);  // all of it is there
  if ((*header)->client) c.client = *(*header)->client;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, c.fd[kClient], nullptr);  // as every other connection from here on
  route(number);
}

void Loop::route(std::uint32_t number) {
  Connection& c = connections_[number];
  const ListenerView* view = views_[c.listener];
  if (view == nullptr) return end(number, Ending::kReset, "the listener was removed");
  c.pool_id = view->routes.find(c.client).value_or(view->pool);
  if (c.pool_id == kNoPool) return end(number, Ending::kReset, "no route for this client");
  dispatch(number);
}

void Loop::watch(std::uint32_t number, Side side, std::uint32_t events, int operation) {
  Connection& c = connections_[number];
  c.watched_out[side] = (events & EPOLLOUT) != 0;
  epoll_event event{.events = events | EPOLLRDHUP | EPOLLET,
                    .data = {.u64 = std::uint64_t{number} * 2 + side}};
  if (::epoll_ctl(epoll_.get(), operation, c.fd[side], &event) != 0)
    log_error("balance.epoll", {{"errno", errno}});  // out of memory: the time-out ends this connection
}

void Loop::arm(std::uint32_t number, Stage stage, Milliseconds patience) {
  Connection& c = connections_[number];
  c.stage = stage;
  c.active_ms = now_ms_;
  c.patience_ms = static_cast<std::uint32_t>(patience.count());
  timers_.arm(connections_, number, now_ms_);
}

}  // namespace sealift::balance
