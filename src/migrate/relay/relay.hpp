#pragma once

// QEMU's migration sockets on one side, a sealed session's streams on the other. sealift never parses the
// guest's memory stream; it carries it, keeps the order of connections, and holds the gate (return_path.hpp).
//
//   source QEMU --unix--> SourceRelay --stream 32, 33…--> DestinationRelay --unix--> destination QEMU
//   source QEMU <--PONG-- SourceRelay <--stream 32------- DestinationRelay <-------- destination QEMU
//
// Stream kMainStream carries the main channel both ways, kMainStream + i the i-th multifd channel (source to
// destination only). QEMU's connections are told apart by their order: the main one first. The destination
// connects them in the same order, each when its first record has arrived.
//
// Threads: one per connection and direction, blocking, ended by cut() or by an end or failure of either side.
// The first failure is kept (failure()); it never closes the local sockets by itself, so QEMU sees only a
// pause until cut().

#include <functional>
#include <memory>
#include <optional>

#include "base/file.hpp"
#include "base/result.hpp"
#include "base/stop.hpp"
#include "crypto/digest.hpp"
#include "transport/session.hpp"

namespace sealift::migrate {

constexpr std::uint16_t kMainStream = 32;
constexpr unsigned kChannelsMax = 16;

struct RelayCounters {
  std::uint64_t bytes = 0;  // guest data carried so far, all channels
};

class SourceRelay {
 public:
  // Listens on socket (in a 0700 directory; only a process of user `peer_uid` may connect, -1: any). channels
  // = 1 + multifd channels. Give QEMU the socket's path as migration URI afterwards. session must outlive the
  // relay.
  static Result<std::unique_ptr<SourceRelay>> open(transport::Session& session, const file::Path& socket,
                                                   unsigned channels);
  ~SourceRelay();  // cut() and join

  // Every local socket closed at once: QEMU's migration fails or is cancelled, the guest stays as it is.
  void cut();
  // SHUT was held back: the destination's QEMU has loaded everything (value 0) or failed (other).
  std::optional<std::uint32_t> loaded() const;
  bool acknowledged() const;  // SWITCHOVER_ACK was held back
  // Every channel's last byte was read from QEMU and handed to the session.
  bool drained() const;
  std::optional<Error> failure() const;
  RelayCounters counters() const;
  // Waits until loaded(), failure() or the deadline (kTimeout).
  Result<std::uint32_t> wait_loaded(Deadline deadline, const Stop& stop);

 private:
  struct Impl;
  explicit SourceRelay(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class DestinationRelay {
 public:
  // Connects to socket, where the incoming QEMU listens, as the channels' first records arrive.
  static Result<std::unique_ptr<DestinationRelay>> open(transport::Session& session, const file::Path& socket,
                                                        unsigned channels);
  ~DestinationRelay();

  void cut();
  bool drained() const;  // every channel's explicit end was received and written to QEMU
  std::optional<Error> failure() const;
  RelayCounters counters() const;

 private:
  struct Impl;
  explicit DestinationRelay(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::migrate
