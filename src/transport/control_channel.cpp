#include "transport/control_connection.hpp"

#include "net/error_wire.hpp"

namespace sealift::transport {

namespace {

constexpr std::size_t kBodyBytesMax = kMessageBytesMax + 8;

}  // namespace

// Waits until the connection before has ended (it is told to), then goes on from where the other side is.
Status ControlChannel::enter(Connection& connection, std::uint64_t peer_received) {
  std::unique_lock lock(mutex_);
  const std::uint64_t own = ++newest_;
  changed_.notify_all();
  while (current_ != nullptr && newest_ == own) {
    current_->ended = true;
    current_->stream.close();
    changed_.notify_all();
    changed_.wait(lock);
  }
  if (newest_ != own) return fail(Code::kUnavailable, "replaced by a newer connection");
  if (peer_received < first_ || peer_received > first_ + kept_.size()) {
    return fail(Code::kCorrupt, "the other side's count of messages cannot be");
  }
  while (first_ < peer_received) {
    kept_.pop_front();
    ++first_;
  }
  next_ = first_;
  told_ = 0;  // what the other side was told while it came back may be old by now
  bye_sent_ = false;
  current_ = &connection;
  if (std::exchange(was_connected_, true)) context_.reconnects.fetch_add(1);
  changed_.notify_all();
  return {};
}

Status ControlChannel::run(net::TlsStream stream, std::uint64_t peer_received) {
  Connection connection{.stream = std::move(stream)};
  if (Status entered = enter(connection, peer_received); !entered) {
    if (entered.error().code == Code::kCorrupt) context_.fail(entered.error());
    return entered;
  }
  Status received;
  {
    std::jthread sender([&] {
      static_cast<void>(send_all(connection));
      if (context_.failed_here()) tell_failure(connection);
      connection.stream.shutdown_write();
      connection.stream.close();
    });
    received = receive_all(connection);
    {
      const std::scoped_lock lock(mutex_);
      connection.ended = true;
    }
    changed_.notify_all();
  }
  if (!received && (received.error().code == Code::kCorrupt || received.error().code == Code::kInvalid)) {
    context_.fail({Code::kCorrupt, received.error().message});
  }
  {
    const std::scoped_lock lock(mutex_);
    current_ = nullptr;
    lost_at_ = std::chrono::steady_clock::now();
    changed_.notify_all();
  }
  return received;
}

std::uint64_t ControlChannel::received() const {
  const std::scoped_lock lock(mutex_);
  return received_;
}

std::optional<SteadyTime> ControlChannel::lost_since() const {
  const std::scoped_lock lock(mutex_);
  if (current_ != nullptr) return std::nullopt;
  return lost_at_;
}

Status ControlChannel::send(ByteView message, Deadline deadline, const Stop& stop) {
  if (message.size() > kMessageBytesMax)
    return fail(Code::kInvalid, "a message of {} bytes is over the limit", message.size());
  {
    std::unique_lock lock(mutex_);
    SEALIFT_TRY_STATUS(
        context_.wait(changed_, lock, deadline, stop, [&] { return kept_.size() < kMessagesMax; }));
    if (context_.peer_left()) return fail(Code::kClosed, "the other side has ended the session");
    kept_.push_back(Encoder().u64(first_ + kept_.size()).raw(message).take());
  }
  changed_.notify_all();
  return {};
}

Result<Bytes> ControlChannel::receive(Deadline deadline, const Stop& stop) {
  Bytes message;
  {
    std::unique_lock lock(mutex_);
    SEALIFT_TRY_STATUS(context_.wait(changed_, lock, deadline, stop, [&] { return !arrived_.empty(); }));
    message = std::move(arrived_.front());
    arrived_.pop_front();
  }
  changed_.notify_all();
  return message;
}

Status ControlChannel::wait_acknowledged(Deadline deadline, const Stop& stop) {
  std::unique_lock lock(mutex_);
  return context_.wait(changed_, lock, deadline, stop, [&] { return kept_.empty(); });
}

Status ControlChannel::say_bye(Deadline deadline, const Stop& stop) {
  std::unique_lock lock(mutex_);
  bye_asked_ = true;
  changed_.notify_all();
  return context_.wait(changed_, lock, deadline, stop, [&] { return bye_sent_; });
}

Status ControlChannel::receive_all(Connection& connection) {
  while (true) {
    {
      // The reader is behind: no more is taken from the connection until it has caught up.
      std::unique_lock lock(mutex_);
      SEALIFT_TRY_STATUS(context_.wait(changed_, lock, Deadline::never(), context_.stop(),
                                       [&] { return arrived_.size() < kMessagesMax || connection.ended; }));
      if (connection.ended) return fail(Code::kUnavailable, "the connection was replaced");
    }
    const net::Frame frame = SEALIFT_TRY(net::receive_frame(
        connection.stream, kBodyBytesMax, Deadline::in(context_.options.dead_after), context_.stop()));
    if (frame.frame_class != net::FrameClass::kSession)
      return fail(Code::kCorrupt, "a frame of another class");
    SEALIFT_TRY_STATUS(take(frame));
  }
}

Status ControlChannel::take(const net::Frame& frame) {
  switch (static_cast<ControlType>(frame.type)) {
    case ControlType::kMessage: return take_message(frame.body);
    case ControlType::kPing: return {};
    case ControlType::kAck: {
      const std::uint64_t count = SEALIFT_TRY(decode_count(frame.body));
      {
        const std::scoped_lock lock(mutex_);
        if (count > next_) return fail(Code::kCorrupt, "an acknowledgement of what was never sent");
        while (first_ < count) {
          kept_.pop_front();
          ++first_;
        }
      }
      changed_.notify_all();
      return {};
    }
    case ControlType::kBye:
      context_.leave();
      changed_.notify_all();
      return {};
    case ControlType::kFailed: {
      Error error = SEALIFT_TRY(net::decode_error(frame.body));
      context_.fail(error, /*told_by_peer=*/true);
      return std::unexpected(std::move(error));
    }
    case ControlType::kOpen:
    case ControlType::kOpened:
    case ControlType::kRejoin:
    case ControlType::kRejoined: break;
  }
  return fail(Code::kCorrupt, "a control frame of type {} out of place", frame.type);
}

Status ControlChannel::take_message(ByteView body) {
  Decoder in(body);
  const std::uint64_t number = SEALIFT_TRY(in.u64());
  const ByteView message = SEALIFT_TRY(in.raw(in.left()));
  {
    const std::scoped_lock lock(mutex_);
    if (number < received_) {
      context_.duplicates.fetch_add(1);
      return {};
    }
    if (number > received_)
      return fail(Code::kCorrupt, "message {} came where {} was due", number, received_);
    ++received_;
    arrived_.emplace_back(message.begin(), message.end());
  }
  changed_.notify_all();
  return {};
}

}  // namespace sealift::transport
