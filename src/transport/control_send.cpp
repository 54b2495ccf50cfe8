#include "net/error_wire.hpp"
#include "transport/control_connection.hpp"

namespace sealift::transport {

namespace {

constexpr Milliseconds kTellFailureWithin{1'000};

}  // namespace

ControlChannel::Send ControlChannel::next_send(std::unique_lock<std::mutex>& lock, Connection& connection) {
  const auto ping_after = context_.options.dead_after / 3;
  while (true) {
    if (connection.ended || context_.failure()) return {.kind = Send::Kind::kEnd, .body = {}};
    if (told_ < received_) {
      told_ = received_;
      return {.kind = Send::Kind::kAck, .body = encode_count(told_)};
    }
    if (next_ < first_ + kept_.size()) return {.kind = Send::Kind::kMessage, .body = kept_[next_++ - first_]};
    if (bye_asked_ && !bye_sent_) return {.kind = Send::Kind::kBye, .body = {}};
    const auto ping_at = connection.last_write + ping_after;
    if (std::chrono::steady_clock::now() >= ping_at) return {.kind = Send::Kind::kPing, .body = {}};
    // A failure has no way of its own to wake this: look now and then.
    changed_.wait_until(lock, std::min(ping_at, std::chrono::steady_clock::now() + Milliseconds(20)));
  }
}

Status ControlChannel::send_frame(Connection& connection, ControlType type, ByteView body) {
  return net::send_frame(connection.stream, net::FrameClass::kSession, static_cast<std::uint16_t>(type), body,
                         Deadline::in(context_.options.dead_after), context_.stop());
}

Status ControlChannel::send_all(Connection& connection) {
  while (true) {
    Send send;
    {
      std::unique_lock lock(mutex_);
      send = next_send(lock, connection);
      connection.last_write = std::chrono::steady_clock::now();
    }
    switch (send.kind) {
      case Send::Kind::kEnd: return {};
      case Send::Kind::kAck: SEALIFT_TRY_STATUS(send_frame(connection, ControlType::kAck, send.body)); break;
      case Send::Kind::kMessage:
        SEALIFT_TRY_STATUS(send_frame(connection, ControlType::kMessage, send.body));
        break;
      case Send::Kind::kPing: SEALIFT_TRY_STATUS(send_frame(connection, ControlType::kPing, {})); break;
      case Send::Kind::kBye: {
        SEALIFT_TRY_STATUS(send_frame(connection, ControlType::kBye, {}));
        {
          const std::scoped_lock lock(mutex_);
          bye_sent_ = true;
        }
        changed_.notify_all();
        break;
      }
    }
  }
}

void ControlChannel::tell_failure(Connection& connection) {
  const auto failure = context_.failure();
  if (!failure) return;
  static_cast<void>(net::send_frame(connection.stream, net::FrameClass::kSession,
                                    static_cast<std::uint16_t>(ControlType::kFailed),
                                    net::encode_error(*failure), Deadline::in(kTellFailureWithin), Stop()));
}

}  // namespace sealift::transport
