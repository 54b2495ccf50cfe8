#pragma once

// SessionCore: one session's parts and threads. The initiator's core dials every connection again when it is
// lost; the acceptor's gets them from its Acceptor. A housekeeping thread ends the session when a connection
// stays lost for too long.

#include <set>
#include <thread>

#include "transport/control_channel.hpp"
#include "transport/link.hpp"

namespace sealift::transport {

// The running digest of one stream and direction: headers and tags in order.
class Transcripts {
 public:
  void add(StreamId stream, Direction direction, ByteView header, ByteView tag, std::size_t plain_bytes);
  crypto::Digest read(StreamId stream, Direction direction) const;
  std::vector<StreamCounters> counters() const;

 private:
  struct Entry {
    crypto::Sha256 digest;
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
  };
  mutable Guarded<std::map<std::pair<StreamId, Direction>, Entry>> entries_;
};

// Within the limits of control.hpp.
bool options_fit(const SessionOptions& options);

class SessionCore {
 public:
  SessionCore(Side side, const SessionId& id, const Agreement& agreed, const SessionOptions& options,
              const crypto::PublicKey& peer, crypto::Secret secret);
  ~SessionCore();

  void start_initiator(std::unique_ptr<Dialer> dialer, net::TlsStream control);
  // outer: the PeerServer's; the session fails when it is pulled.
  void start_acceptor(net::TlsStream control, Stop outer);
  // Acceptor: connections made again or for the first time, served in the caller's thread.
  void serve_control(net::TlsStream stream, std::uint64_t peer_received);
  void serve_bulk(std::uint16_t link, net::TcpStream stream, const crypto::Digest& attachment);

  // Ends everything and joins this core's own threads. Idempotent.
  void shut_down(Error reason);

  // False when that end of a stream was given out before. A second writer would count from 0 again: a second
  // plaintext under a nonce.
  bool claim(StreamId stream, Direction direction);
  bool all_taken() const;
  Link& link_of(StreamId stream) { return *links_[stream % links_.size()]; }
  Context context;
  ControlChannel control;
  Transcripts transcripts;

 private:
  void keep_control(net::TlsStream first);
  void keep_link(std::uint16_t index);
  Result<std::pair<net::TlsStream, std::uint64_t>> rejoin();
  void keep_house();

  std::vector<std::unique_ptr<Link>> links_;
  std::unique_ptr<Dialer> dialer_;
  Stop outer_;
  Guarded<std::set<std::pair<StreamId, Direction>>> claimed_;
  std::mutex threads_mutex_;
  std::vector<std::jthread> threads_;
};

}  // namespace sealift::transport
