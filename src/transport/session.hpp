#pragma once

// One sealed session between two hosts: what a move sends goes through it. Both ends have the same class; the
// initiator dials and, after a lost connection, dials again; the acceptor is found by session id and peer
// key.
//
//   control  messages over TLS, ordered, delivered once, across reconnects
//   streams  up to streams_max per direction, each an ordered sequence of records whose boundaries are kept,
//            with an explicit end; spread over `connections` bulk TCP connections
//
// What holds: a record or message is delivered once, in order, unaltered, or the session fails. A connection
// that is lost is made again for at most reconnect_for; the same sealed bytes are sent again from where the
// other side says. Bytes that don't open, a gap, a record out of place: the session fails with kCorrupt, on
// both ends. After a failure every call returns that error, for ever.
//
// Bounded: window_bytes per stream and direction (sent and not yet taken by the other side's reader;
// records count the memory that they hold), 64 messages likewise. Nothing grows with what is transferred.
//
// Threads: send, receive, each StreamWriter and each StreamReader are used by one thread at a time each, all
// of them at once; the rest from anywhere. Writers and readers must be gone before their session.

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "base/stop.hpp"
#include "crypto/digest.hpp"
#include "crypto/identity.hpp"
#include "transport/attach.hpp"
#include "transport/dialer.hpp"
#include "transport/stream.hpp"

namespace sealift::transport {

constexpr std::size_t kMessageBytesMax = 1024 * 1024;

struct SessionOptions {
  std::size_t connections = 2;                      // bulk, 1 to 16; the initiator's number counts
  std::size_t window_bytes = 16 * 1024 * 1024;      // the smaller one of both ends counts; at least a record
  std::size_t streams_max = 32;                     // per direction; more from the peer: refused
  Milliseconds reconnect_for{300'000};              // without any of its connections: kUnavailable
  Milliseconds dead_after{15'000};                  // a connection without a sign of life
  Milliseconds retry_first{50}, retry_last{2'000};  // pauses between attempts, doubling
};

class SessionCore;

class Session {
 public:
  // Dials, agrees on the options, returns when the control connection stands; bulk connections follow.
  static Result<std::unique_ptr<Session>> initiate(std::unique_ptr<Dialer> dialer,
                                                   const SessionOptions& options, Deadline deadline,
                                                   const Stop& stop);
  ~Session();  // without close(): as abort()

  const SessionId& id() const;
  const crypto::PublicKey& peer_key() const;

  // At most kMessageBytesMax. Returns when the message is kept for sending (again, if need be).
  Status send(ByteView message, Deadline deadline = Deadline::never(), const Stop& stop = {});
  // kClosed after the other side's close().
  Result<Bytes> receive(Deadline deadline, const Stop& stop);

  // id from 1 on. Once per id and direction in a session's life (programmer error otherwise).
  StreamWriter writer(StreamId id);
  StreamReader reader(StreamId id);

  // SHA-256 over (header || tag) of the stream's records in order, as committed or as given to the reader,
  // the last record included: equal at both ends exactly when the same bytes went through. Of a stream
  // without records: SHA-256 of nothing.
  crypto::Digest transcript(StreamId id, Direction direction) const;

  void set_bandwidth(std::uint64_t bytes_per_second);  // of what this end sends in streams; 0: unlimited
  SessionCounters counters() const;
  std::optional<Error> failure() const;

  // Waits until the other side has received everything (messages received, records taken), then tells it that
  // this end is done, and ends the session here: calls return kClosed.
  Status close(Deadline deadline, const Stop& stop);
  // Ends the session at once, here and, as far as it can be reached, there: its calls fail with this error.
  void abort(Error reason = {Code::kCancelled, "the session was aborted"});

 private:
  friend class Acceptor;
  explicit Session(std::shared_ptr<SessionCore> core);
  std::shared_ptr<SessionCore> core_;  // shared: an acceptor's handlers may be inside when it ends
};

}  // namespace sealift::transport
