// Loop: bytes from one end to the other, ends and resets too.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "balance/loop.hpp"

namespace sealift::balance {

namespace {

constexpr std::size_t kPipeBytes = 1024 * 1024;
constexpr int kTurns = 16;             // reads in a row of one stream, then the others have their turn
constexpr std::size_t kShort = 16384;  // splices of less than that don't pay
constexpr unsigned kShortMax = 8;

}  // namespace

void Loop::move(std::uint32_t number, Side from) {
  Connection& c = connections_[number];
  if (c.lost[other(from)]) return;  // nobody is there to take it
  for (;;) {
    switch (pump(c, from)) {
      case Progress::kIdle:
      case Progress::kEnded:
        if (c.flow[kClient].ended && c.flow[kServer].ended) return end(number, Ending::kClean, "");
        if (!c.lost[from]) return;
        return end(number, Ending::kReset, from == kClient ? "server gone" : "client gone");
      case Progress::kBlocked:
        if (!c.watched_out[other(from)]) watch(number, other(from), EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
        return;
      case Progress::kMore:
        if (!c.queued_again) again_.push_back(number);
        c.queued_again = true;
        return;
      case Progress::kSourceLost:
        return end(number, Ending::kReset, from == kClient ? "client reset" : "server reset");
      case Progress::kTargetLost:
        // What the lost end had sent before it went is still passed on.
        if (c.lost[from] || c.flow[other(from)].ended)
          return end(number, Ending::kReset, from == kClient ? "server gone" : "client gone");
        c.lost[other(from)] = true;
        c.flow[from].tail.reset();
        from = other(from);
        break;
    }
  }
}

Loop::Progress Loop::pump(Connection& c, Side from) {
  Flow& flow = c.flow[from];
  if (flow.ended) return Progress::kEnded;
  if (flow.tail) {
    const Progress flushed = flush(c, from);
    if (flushed != Progress::kIdle) return flushed;
  }
  return flow.pipe ? splice_across(c, from) : copy(c, from);
}

// kIdle: all of the tail is gone.
Loop::Progress Loop::flush(Connection& c, Side from) {
  Tail& tail = *c.flow[from].tail;
  const std::size_t left = tail.bytes.size() - tail.begin;
  const ssize_t sent = ::send(c.fd[other(from)], tail.bytes.data() + tail.begin, left, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN ? Progress::kBlocked : Progress::kTargetLost;
  tail.begin += static_cast<std::size_t>(sent);
  if (tail.begin < tail.bytes.size()) return Progress::kBlocked;
  c.flow[from].tail.reset();
  return Progress::kIdle;
}

Loop::Progress Loop::copy(Connection& c, Side from) {
  Flow& flow = c.flow[from];
  const int source = c.fd[from], target = c.fd[other(from)];
  for (int turn = 0; turn < kTurns; ++turn) {
    const ssize_t count = ::recv(source, buffer_.data(), buffer_.size(), 0);
    if (count == 0) return pass_end(c, from);
    if (count < 0) return errno == EAGAIN || errno == EINTR ? Progress::kIdle : Progress::kSourceLost;
    const auto bytes = static_cast<std::size_t>(count);
    flow.bytes += bytes;
    // The end is known to follow: data and FIN in one segment.
    const int more = c.end_seen[from] && !c.lost[from] ? MSG_MORE : 0;
    const ssize_t sent = ::send(target, buffer_.data(), bytes, MSG_NOSIGNAL | more);
    if (sent < 0 && errno != EAGAIN) return Progress::kTargetLost;
    const std::size_t gone = sent < 0 ? 0 : static_cast<std::size_t>(sent);
    if (gone < bytes) {
      Bytes rest(buffer_.begin() + static_cast<std::ptrdiff_t>(gone), buffer_.begin() + count);
      flow.tail = std::make_unique<Tail>(Tail{std::move(rest), 0});
    }
    if (bytes == buffer_.size() && ++flow.full_reads >= 2 && !c.lost[from]) make_bulk(flow);
    if (flow.tail) return Progress::kBlocked;
    if (flow.pipe) return splice_across(c, from);
    // A short read has emptied the socket; with its end announced, only a read of 0 is the end.
    if (bytes < buffer_.size() && !c.end_seen[from]) return Progress::kIdle;
  }
  return Progress::kMore;
}

void Loop::make_bulk(Flow& flow) {
  if (!spare_pipes_.empty()) {
    flow.pipe = std::move(spare_pipes_.back());
    spare_pipes_.pop_back();
  } else {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return;  // no descriptors: copying goes on
    flow.pipe = std::make_unique<Pipe>();
    flow.pipe->read_end.reset(ends[0]);
    flow.pipe->write_end.reset(ends[1]);
    ::fcntl(ends[1], F_SETPIPE_SZ,
            static_cast<int>(kPipeBytes));  // refused beyond the user's share: a small one does
  }
  flow.pipe->small = 0;
  counters_.bulk_streams.fetch_add(1, std::memory_order_relaxed);
}

// The pipe is emptied before the source is read again: so EAGAIN from the source means that the source is
// empty.
Loop::Progress Loop::splice_across(Connection& c, Side from) {
  Flow& flow = c.flow[from];
  Pipe& pipe = *flow.pipe;
  for (int turn = 0; turn < kTurns; ++turn) {
    while (pipe.filled != 0) {
      const ssize_t out = ::splice(pipe.read_end.get(), nullptr, c.fd[other(from)], nullptr, pipe.filled,
                                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      if (out <= 0) return out < 0 && errno == EAGAIN ? Progress::kBlocked : Progress::kTargetLost;
      pipe.filled -= static_cast<std::size_t>(out);
    }
    if (pipe.small >= kShortMax) {  // bulk no longer
      flow.full_reads = 0;
      if (spare_pipes_.size() < 16) spare_pipes_.push_back(std::move(flow.pipe));
      flow.pipe.reset();
      return copy(c, from);
    }
    const ssize_t in = ::splice(c.fd[from], nullptr, pipe.write_end.get(), nullptr, kPipeBytes,
                                SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (in == 0) return pass_end(c, from);
    if (in < 0) return errno == EAGAIN || errno == EINTR ? Progress::kIdle : Progress::kSourceLost;
    pipe.filled = static_cast<std::size_t>(in);
    pipe.small = pipe.filled < kShort ? pipe.small + 1 : 0;
    flow.bytes += pipe.filled;
  }
  return Progress::kMore;
}

Loop::Progress Loop::pass_end(Connection& c, Side from) {
  c.flow[from].ended = true;
  // When both have ended, closing says it to both.
  if (!c.flow[other(from)].ended && !c.lost[from]) ::shutdown(c.fd[other(from)], SHUT_WR);
  return Progress::kEnded;
}

void Loop::write_log(const Connection& c, std::string_view why) {
  const PoolView* pool = snapshot_->pool(c.pool_id);
  std::string_view server = "-";
  if (pool != nullptr && c.server != nullptr)
    for (const ServerView& view : pool->servers)
      if (view.live.get() == c.server) server = view.spec.name;
  fmt::format_to(std::back_inserter(log_lines_),
                 "{} client={} listener={} pool={} server={} in={} out={} waited_ms={} ms={} end=\"{}\"\n",
                 to_iso8601(system_clock().wall()), c.client.text(), listeners_[c.listener].listener,
                 pool != nullptr ? std::string_view(pool->spec.name) : "-", server, c.flow[kClient].bytes,
                 c.flow[kServer].bytes, c.waited_ms, now_ms_ - c.started_ms, why.empty() ? "closed" : why);
}

}  // namespace sealift::balance
