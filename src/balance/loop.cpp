#include "balance/loop.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "base/log.hpp"

namespace sealift::balance {

namespace {

// What an event is about: number * 2 + side of a connection, or one of these.
constexpr std::uint64_t kListenerBit = 1ULL << 63;
constexpr std::uint64_t kWake = 1ULL << 62;
constexpr std::size_t kBufferBytes = 256 * 1024;

std::uint32_t steady_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint32_t>(std::chrono::duration_cast<Milliseconds>(now).count());
}

}  // namespace

Loop::Loop(const LoopOptions& options, std::shared_ptr<const Snapshot> first)
    : options_(options), snapshot_(std::move(first)), buffer_(kBufferBytes), random_(options.seed) {
  generation_ = snapshot_->generation;
}

Status Loop::open_descriptors() {
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  wake_.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!epoll_ || !wake_) return fail_errno(errno, "opening an event loop");
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kWake}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0)
    return fail_errno(errno, "epoll_ctl");
  return {};
}

Result<std::unique_ptr<Loop>> Loop::start(const LoopOptions& options, std::shared_ptr<const Snapshot> first) {
  std::unique_ptr<Loop> loop(new Loop(options, std::move(first)));
  SEALIFT_TRY_STATUS(loop->open_descriptors());
  loop->thread_ = std::thread([&loop = *loop] { loop.run(); });
  return loop;
}

Loop::~Loop() {
  if (!thread_.joinable()) return;
  finish(std::chrono::steady_clock::now());
  thread_.join();
}

void Loop::post(std::shared_ptr<const Snapshot> snapshot) {
  mail_.lock()->snapshot = std::move(snapshot);
  ::eventfd_write(wake_.get(), 1);
}

void Loop::listen(ListenSocket socket) {
  mail_.lock()->opened.push_back(std::move(socket));
  ::eventfd_write(wake_.get(), 1);
}

void Loop::close_listener(const std::string& name) {
  mail_.lock()->closed.push_back(name);
  ::eventfd_write(wake_.get(), 1);
}

void Loop::finish(SteadyTime deadline) {
  mail_.lock()->finish = deadline;
  ::eventfd_write(wake_.get(), 1);
}

void Loop::run() {
  // splice(2) has no MSG_NOSIGNAL.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  std::array<epoll_event, 256> events;
  now_ms_ = steady_ms();
  timers_.start(now_ms_);
  std::uint32_t ticked_ms = now_ms_, retried_ms = now_ms_;
  while (!finished_) {
    const int quiet = connections_.used() != 0 || finish_ || !accepting_ ? TimerWheel::kTickMs : 1000;
    const int timeout = !again_.empty() ? 0 : !waiting_.empty() ? 10 : quiet;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
    now_ms_ = steady_ms();
    for (int i = 0; i < count; ++i)
      on_event(events[static_cast<std::size_t>(i)].data.u64, events[static_cast<std::size_t>(i)].events);
    std::vector<std::uint32_t> again;
    again.swap(again_);
    for (const std::uint32_t number : again) {
      connections_[number].queued_again = false;
      for (const Side side : {kClient, kServer})
        if (connections_[number].stage == Stage::kOpen) move(number, side);
    }
    if (!waiting_.empty() && (slot_freed_ || now_ms_ - retried_ms >= 10))
      retry_waiting(), retried_ms = now_ms_;
    slot_freed_ = false;
    if (now_ms_ - ticked_ms >= TimerWheel::kTickMs) tick(), ticked_ms = now_ms_;
    for (const std::uint32_t number : dropped_) connections_.drop(number);
    dropped_.clear();
    open_.store(connections_.used(), std::memory_order_relaxed);
  }
}

void Loop::on_event(std::uint64_t data, std::uint32_t events) {
  if (data == kWake) return read_mail();
  if ((data & kListenerBit) != 0) return accept_some(data & ~kListenerBit);
  const auto number = static_cast<std::uint32_t>(data / 2);
  const Side side = data % 2 == 0 ? kClient : kServer;
  Connection& c = connections_[number];
  const bool lost = (events & (EPOLLERR | EPOLLHUP)) != 0;
  if ((events & EPOLLRDHUP) != 0 || lost) c.end_seen[side] = true;
  switch (c.stage) {
    case Stage::kFree: return;  // ended earlier in this round
    case Stage::kHeader: return read_header(number);
    case Stage::kWaiting:
      // Half-closed is fine, gone is not.
      if (lost) end(number, Ending::kReset, "client gone while waiting");
      return;
    case Stage::kConnecting:
      if (side == kClient) return;
      return lost ? connect_failed(number) : connected(number);
    case Stage::kOpen: break;
  }
  c.active_ms = now_ms_;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0) move(number, side);
  const Flow& back = c.flow[other(side)];
  if ((events & EPOLLOUT) != 0 && c.stage == Stage::kOpen &&
      (back.tail || (back.pipe && back.pipe->filled != 0)))
    move(number, other(side));
}

void Loop::read_mail() {
  eventfd_t value = 0;
  ::eventfd_read(wake_.get(), &value);
  Mail mail;
  std::swap(mail, *mail_.lock());
  if (mail.snapshot) take_snapshot(std::move(mail.snapshot));
  for (ListenSocket& socket : mail.opened) {
    epoll_event event{.events = accepting_ ? EPOLLIN : 0U, .data = {.u64 = kListenerBit | listeners_.size()}};
    SEALIFT_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.fd.get(), &event) == 0 || errno == ENOMEM);
    listeners_.push_back(std::move(socket));
  }
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (!listeners_[i].fd) continue;
    const bool closed = std::ranges::find(mail.closed, listeners_[i].listener) != mail.closed.end();
    if (!closed && !mail.finish) continue;
    for (int batch = 0; batch < 16 && i < views_.size(); ++batch)
      accept_some(i);  // who is connected already is served
    // Another process may hold the same socket: closing it doesn't take it out of our set.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listeners_[i].fd.get(), nullptr);
    listeners_[i].fd.reset();
  }
  if (mail.finish) finish_ = mail.finish;
  if (!mail.opened.empty()) take_snapshot(snapshot_);
}

void Loop::take_snapshot(std::shared_ptr<const Snapshot> snapshot) {
  const std::shared_ptr<const Snapshot> old = std::exchange(snapshot_, std::move(snapshot));
  // A listener that left the configuration keeps its last view until its socket is closed: never mid-way.
  views_.assign(listeners_.size(), nullptr);
  for (std::size_t i = 0; i < listeners_.size(); ++i)
    for (const ListenerView& view : snapshot_->listeners)
      if (view.spec.name == listeners_[i].listener) views_[i] = &view;
  retry_waiting();  // none waits for a server of the old one after this
  generation_.store(snapshot_->generation);
}

void Loop::tick() {
  timers_.advance(connections_, now_ms_, [&](std::uint32_t number, bool expired) {
    Connection& c = connections_[number];
    if (!expired) {
      // A connection that lives on: only now is it worth a system call to find out that its server died.
      if (c.stage == Stage::kOpen && !c.kept_alive) {
        const int on = 1;
        ::setsockopt(c.fd[kServer], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        c.kept_alive = true;
      }
      return timers_.arm(connections_, number, now_ms_);
    }
    switch (c.stage) {
      case Stage::kFree: return;
      case Stage::kHeader: return end(number, Ending::kReset, "no PROXY header in time");
      case Stage::kWaiting: {
        const PoolView* pool = snapshot_->pool(c.pool_id);
        if (pool != nullptr) pool->live->wait_timeouts.fetch_add(1, std::memory_order_relaxed);
        return end(number, Ending::kReset, "no server in time");
      }
      case Stage::kConnecting: return connect_failed(number);
      case Stage::kOpen: return end(number, Ending::kClean, "idle");
    }
  });
  if (!accepting_ && connections_.used() < options_.connections_max) set_accepting(true);
  if (!log_lines_.empty()) {
    // Whole lines, appended in one call (O_APPEND). A full disk loses lines, never connections.
    [[maybe_unused]] const auto written = ::write(options_.access_log, log_lines_.data(), log_lines_.size());
    log_lines_.clear();
  }
  if (!finish_) return;
  if (connections_.used() != 0 && std::chrono::steady_clock::now() < *finish_) return;
  for (std::uint32_t number = 0; number < connections_.end(); ++number)
    if (connections_[number].stage != Stage::kFree) end(number, Ending::kReset, "the balancer ends");
  finished_ = true;
}

void Loop::end(std::uint32_t number, Ending ending, std::string_view why) {
  Connection& c = connections_[number];
  if (c.stage == Stage::kWaiting) leave_queue(number);
  for (const int fd : c.fd) {
    if (fd < 0) continue;
    const linger now{.l_onoff = 1, .l_linger = 0};
    if (ending == Ending::kReset) ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    ::close(fd);
  }
  if (options_.access_log >= 0) write_log(c, why);
  if (c.server != nullptr) {
    c.server->bytes_in.fetch_add(c.flow[kClient].bytes, std::memory_order_relaxed);
    c.server->bytes_out.fetch_add(c.flow[kServer].bytes, std::memory_order_relaxed);
    release(*c.pool, *c.server);
    slot_freed_ = true;
  }
  for (Flow& flow : c.flow)
    if (flow.pipe && flow.pipe->filled == 0 && spare_pipes_.size() < 16)
      spare_pipes_.push_back(std::move(flow.pipe));
  timers_.disarm(connections_, number);
  c.stage = Stage::kFree;
  dropped_.push_back(number);
}

}  // namespace sealift::balance
