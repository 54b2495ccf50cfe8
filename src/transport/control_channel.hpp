#pragma once

// The session's messages over its control connection (control.hpp), kept until the other side has taken them,
// sent again after a new connection. As Link: run() serves one connection, the channel outlives it.

#include <deque>
#include <thread>

#include "net/frame.hpp"
#include "net/tls.hpp"
#include "transport/context.hpp"

namespace sealift::transport {

class ControlChannel {
 public:
  explicit ControlChannel(Context& context) : context_(context) {}

  // peer_received: messages of ours that the other side says it has. Serves until the connection is lost,
  // replaced, or the session has failed or ended.
  Status run(net::TlsStream stream, std::uint64_t peer_received);
  std::uint64_t received() const;  // messages of the other side that are here
  std::optional<SteadyTime> lost_since() const;
  void wake() { changed_.notify_all(); }

  Status send(ByteView message, Deadline deadline, const Stop& stop);
  Result<Bytes> receive(Deadline deadline, const Stop& stop);
  Status wait_acknowledged(Deadline deadline, const Stop& stop);
  // BYE to the other side; waits until it is on its way.
  Status say_bye(Deadline deadline, const Stop& stop);

 private:
  struct Connection;
  struct Send {
    enum class Kind { kMessage, kAck, kBye, kPing, kEnd } kind = Kind::kEnd;
    Bytes body;
  };
  Status enter(Connection& connection, std::uint64_t peer_received);
  Send next_send(std::unique_lock<std::mutex>& lock, Connection& connection);
  Status send_all(Connection& connection);
  Status send_frame(Connection& connection, ControlType type, ByteView body);
  Status receive_all(Connection& connection);
  Status take(const net::Frame& frame);
  Status take_message(ByteView body);
  void tell_failure(Connection& connection);

  static constexpr std::size_t kMessagesMax = 64;  // kept, and taken ahead of the reader

  Context& context_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Bytes> kept_;     // bodies of MESSAGE, from number first_ on
  std::uint64_t first_ = 0;    // so many were received there
  std::uint64_t next_ = 0;     // to be sent
  std::deque<Bytes> arrived_;  // not yet read here
  std::uint64_t received_ = 0;
  std::uint64_t told_ = 0;
  bool bye_asked_ = false;
  bool bye_sent_ = false;
  Connection* current_ = nullptr;
  std::uint64_t newest_ = 0;  // connections so far: only the latest one may wait for its turn
  bool was_connected_ = false;
  SteadyTime lost_at_ = std::chrono::steady_clock::now();
};

}  // namespace sealift::transport
