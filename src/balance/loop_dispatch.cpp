// Loop: from a client to its server: choose, wait, connect, try another one.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "balance/loop.hpp"
#include "balance/proxy_header.hpp"

namespace sealift::balance {

namespace {
constexpr std::uint32_t kAfterFailureMs =
    250;  // who has tried all servers in vain waits that long before the next time
}

void Loop::dispatch(std::uint32_t number) {
  Connection& c = connections_[number];
  const PoolView* pool = snapshot_->pool(c.pool_id);
  if (pool == nullptr) return end(number, Ending::kReset, "the pool was removed");
  // Who came first goes first; only who sticks to a server doesn't stand in another one's way.
  const bool sticks = pool->spec.algorithm == Algorithm::kIpHash;
  if (c.stage != Stage::kWaiting && !sticks && pool->live->waiting.load(std::memory_order_relaxed) != 0)
    return wait(number, *pool, {});
  const std::uint64_t key = sticks ? client_key(pool->spec, c.client) : 0;
  const std::span<const std::uint16_t> tried(c.tried, std::min<std::size_t>(c.tries, std::size(c.tried)));
  Choice choice = choose(*pool, key, tried, random_.next());
  if (choice.verdict == Verdict::kNone) return none_can_take(number, *pool);
  const ServerView& server = pool->servers[choice.server];
  if (choice.verdict == Verdict::kWait && c.stage == Stage::kWaiting && server.gate == Gate::kReleasing &&
      let_go(*pool, server))
    choice.verdict = Verdict::kServer;
  if (choice.verdict == Verdict::kWait || !acquire(*pool, server)) return wait(number, *pool, choice);
  if (c.stage == Stage::kWaiting) leave_queue(number);
  dial(number, *pool, server);
}

// A release goes at the pool's pace; what was not used in the last 100 ms may be made up for.
bool Loop::let_go(const PoolView& pool, const ServerView& server) {
  constexpr std::int64_t kCatchUpUs = 100'000;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const std::int64_t now_us = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  std::int64_t next = server.live->release_next_us.load(std::memory_order_relaxed);
  if (next > now_us) return false;
  const std::int64_t after = std::max(next, now_us - kCatchUpUs) + 1'000'000 / pool.spec.release_rate;
  return server.live->release_next_us.compare_exchange_strong(next, after, std::memory_order_relaxed);
}

void Loop::wait(std::uint32_t number, const PoolView& pool, const Choice& choice) {
  Connection& c = connections_[number];
  ServerLive* only = choice.only ? pool.servers[choice.server].live.get() : nullptr;
  if (c.stage == Stage::kWaiting) {
    if (c.server == only) return;
    if (c.server != nullptr) c.server->held.fetch_sub(1);
    if (only != nullptr) only->held.fetch_add(1);
    c.server = only;
    return;
  }
  if (pool.live->waiting.fetch_add(1) >= pool.spec.queue_max) {
    pool.live->waiting.fetch_sub(1);
    pool.live->refused.fetch_add(1, std::memory_order_relaxed);
    return end(number, Ending::kReset, "too many wait for a server");
  }
  pool.live->waited.fetch_add(1, std::memory_order_relaxed);
  if (only != nullptr) only->held.fetch_add(1);
  c.pool = pool.live.get();
  c.server = only;
  waiting_.push_back(number);
  // Once in the queue, a connection keeps its first deadline however often it goes to a server that fails.
  const std::uint32_t age = now_ms_ - c.started_ms;
  arm(number, Stage::kWaiting,
      std::max(pool.spec.queue_timeout - Milliseconds{c.greeted ? age : 0}, Milliseconds{1}));
  watch(number, kClient, 0, EPOLL_CTL_ADD);  // hang-ups only
}

void Loop::leave_queue(std::uint32_t number) {
  Connection& c = connections_[number];
  if (c.server != nullptr) c.server->held.fetch_sub(1);
  c.pool->waiting.fetch_sub(1);
  c.server = nullptr;
  std::erase(waiting_, number);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, c.fd[kClient], nullptr);
}

void Loop::retry_waiting() {
  const std::vector<std::uint32_t> queue = waiting_;  // dispatch takes them out
  for (const std::uint32_t number : queue) {
    const Connection& c = connections_[number];
    const bool due = static_cast<std::int32_t>(now_ms_ - c.not_before_ms) >= 0 || !c.greeted;
    if (c.stage == Stage::kWaiting && due) dispatch(number);
  }
}

// What goes first: our PROXY header, and bytes that the client has sent by now. False: the client is gone.
bool Loop::greet(std::uint32_t number, const PoolView& pool) {
  Connection& c = connections_[number];
  c.greeted = true;
  Bytes first;
  if (pool.spec.send_proxy != ProxyVersion::kNone) {
    first = encode_proxy_header(pool.spec.send_proxy, c.client, Address::bound_to(c.fd[kClient]));
  }
  constexpr std::size_t kEarly = 16 * 1024;
  const ssize_t early = ::recv(c.fd[kClient], buffer_.data(), kEarly, 0);
  if (early < 0 && errno != EAGAIN) return false;
  if (early > 0) {
    first.insert(first.end(), buffer_.begin(), buffer_.begin() + early);
    c.flow[kClient].bytes = static_cast<std::uint64_t>(early);
  }
  if (!first.empty()) c.flow[kClient].tail = std::make_unique<Tail>(Tail{std::move(first), 0});
  return true;
}

void Loop::dial(std::uint32_t number, const PoolView& pool, const ServerView& server) {
  Connection& c = connections_[number];
  c.waited_ms = now_ms_ - c.started_ms;
  if (!c.greeted && !greet(number, pool)) {
    release(*pool.live, *server.live);
    return end(number, Ending::kReset, "client reset");
  }
  sockaddr_storage to{};
  const socklen_t to_bytes = server.spec.address.to(&to);
  const int fd = ::socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {  // no descriptor: it waits for one
    release(*pool.live, *server.live);
    set_accepting(false);
    return wait(number, pool, {});
  }
  c.fd[kServer] = fd;
  c.pool = pool.live.get();
  c.server = server.live.get();
  const int on = 1, off = 0;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  // With bytes in hand the handshake's last segment carries them. Never without: a server that speaks first
  // would wait for an acknowledgement (200 ms).
  if (c.flow[kClient].tail) ::setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
  arm(number, Stage::kConnecting, pool.spec.connect_timeout);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), to_bytes) != 0 && errno != EINPROGRESS)
    return connect_failed(number);
  watch(number, kServer, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

// No server is up, or none that was tried could be reached: it waits, or it is over.
void Loop::none_can_take(std::uint32_t number, const PoolView& pool) {
  Connection& c = connections_[number];
  const bool none_up = c.tries == 0;
  c.tries = 0;  // who waits may try them all again
  if (!none_up) c.not_before_ms = now_ms_ + kAfterFailureMs;
  if (pool.spec.wait_when_down) return wait(number, pool, {});
  pool.live->refused.fetch_add(1, std::memory_order_relaxed);
  end(number, Ending::kReset, none_up ? "no server is up" : "no server could be reached");
}

void Loop::connect_failed(std::uint32_t number) {
  Connection& c = connections_[number];
  c.server->connects_failed.fetch_add(1, std::memory_order_relaxed);
  c.server->failures_in_row.fetch_add(1, std::memory_order_relaxed);
  ::close(c.fd[kServer]);
  c.fd[kServer] = -1;
  c.end_seen[kServer] = false;
  c.tried[c.tries++ % std::size(c.tried)] = c.server->slot;
  release(*c.pool, *c.server);
  c.server = nullptr;
  const PoolView* pool = snapshot_->pool(c.pool_id);
  if (pool != nullptr && c.tries > pool->spec.retries) return none_can_take(number, *pool);
  dispatch(number);
}

void Loop::connected(std::uint32_t number) {
  Connection& c = connections_[number];
  const PoolView* pool = snapshot_->pool(c.pool_id);
  c.server->connections.fetch_add(1, std::memory_order_relaxed);
  if (c.server->failures_in_row.load(std::memory_order_relaxed) != 0) c.server->failures_in_row.store(0);
  arm(number, Stage::kOpen, pool != nullptr ? pool->spec.idle_timeout : Milliseconds{60'000});
  watch(number, kClient, EPOLLIN, EPOLL_CTL_ADD);
  move(number, kClient);
  if (c.stage == Stage::kOpen) move(number, kServer);  // a server that spoke first, with the same event
}

}  // namespace sealift::balance
