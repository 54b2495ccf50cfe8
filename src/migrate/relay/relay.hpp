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

class SourceRelay {
 public:
  // Listens on socket, which only `qemu_user` may open (its owner; none: ours). channels = 1 + multifd
  // channels. Give QEMU the path as migration URI afterwards. session must outlive the relay.
  static Result<std::unique_ptr<SourceRelay>> open(transport::Session& session, const file::Path& socket,
                                                   unsigned channels, std::optional<uid_t> qemu_user = {});
  ~SourceRelay();  // cut() and join

  // Until SHUT was held back: the destination's QEMU has loaded everything (0) or failed (another value).
  Result<std::uint32_t> wait_loaded(Deadline deadline, const Stop& stop);
  bool acknowledged() const;  // SWITCHOVER_ACK was held back
  // Once QEMU is frozen: carries what its sockets still hold, then ends every stream explicitly. After it the
  // streams' transcripts are final.
  Status finish(Deadline deadline, const Stop& stop);
  // Every local socket closed at once: QEMU's migration fails or is cancelled, the guest stays as it is.
  void cut();
  std::optional<Error> failure() const;
  std::uint64_t bytes() const;  // of all channels, read from QEMU so far

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

  // Until every channel's explicit end was received and all before it was written to QEMU.
  Status wait_drained(Deadline deadline, const Stop& stop);
  void cut();
  std::optional<Error> failure() const;
  std::uint64_t bytes() const;

 private:
  struct Impl;
  explicit DestinationRelay(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::migrate
