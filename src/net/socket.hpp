#pragma once

// TCP and unix sockets as Streams, and their listeners. Sockets are non-blocking and close-on-exec; SIGPIPE
// is never raised. A socket is one object per connection, moved but not shared.

#include <sys/types.h>

#include <atomic>
#include <string>
#include <utility>

#include "base/file.hpp"
#include "net/endpoint.hpp"
#include "net/stream.hpp"

namespace sealift::net {

class SocketStream : public Stream {
 public:
  explicit SocketStream(UniqueFd fd) : fd_(std::move(fd)) {}
  SocketStream(SocketStream&& other) noexcept;
  SocketStream& operator=(SocketStream&& other) noexcept;

  Result<std::size_t> read_some(MutableByteView out, Deadline deadline, const Stop& stop) override;
  Status write_all(ByteView bytes, Deadline deadline, const Stop& stop) override;
  void shutdown_write() override;
  void close() override;

  // Like read_some without taking the bytes away. For telling protocols apart on one port.
  Result<std::size_t> peek(MutableByteView out, Deadline deadline, const Stop& stop);
  // True when nothing is to be read and the other end has not closed: fit to be used again.
  bool idle_and_open() const;
  // Asks for kernel buffers of that size (SO_SNDBUF, SO_RCVBUF; beyond the system's limit where privileged).
  void set_buffers(int send_bytes, int receive_bytes);
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  int fd() const { return fd_.get(); }

 private:
  Result<std::size_t> receive(MutableByteView out, int flags, Deadline deadline, const Stop& stop);

  UniqueFd fd_;
  std::atomic<bool> closed_{false};  // by close(): what recv(2) then calls an end is none
};

class TcpStream final : public SocketStream {
 public:
  using SocketStream::SocketStream;
  // Tries every address of the name in turn. kUnavailable: nobody answers there; kNotFound: no such name.
  static Result<TcpStream> connect(const Endpoint& endpoint, Deadline deadline, const Stop& stop);
  void set_no_delay(bool on);
  // A connection whose bytes stay unacknowledged that long is dead (TCP_USER_TIMEOUT, keep-alive).
  void set_dead_after(Milliseconds duration);
  std::string peer() const;  // "192.0.2.7:40112", for the log
  // Whose places in a server a connection takes: the address in hex; of IPv6 its /64, all of which one
  // machine may have.
  std::string source() const;
};

class TcpListener {
 public:
  // An empty host, "" or "::", listens on IPv6 and IPv4. Port 0: the system chooses, see port().
  static Result<TcpListener> listen(const Endpoint& endpoint);
  Result<TcpStream> accept(Deadline deadline, const Stop& stop);
  std::uint16_t port() const { return port_; }

 private:
  TcpListener(UniqueFd fd, std::uint16_t port) : fd_(std::move(fd)), port_(port) {}
  UniqueFd fd_;
  std::uint16_t port_;
};

struct PeerCredentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

class UnixStream final : public SocketStream {
 public:
  using SocketStream::SocketStream;
  static Result<UnixStream> connect(const file::Path& path, Deadline deadline, const Stop& stop);
  Result<PeerCredentials> credentials() const;  // SO_PEERCRED: of who connected, or listened
};

class UnixListener {
 public:
  // A fresh socket; an old file at path is removed (the caller owns the directory). Removed on destruction.
  static Result<UnixListener> listen(const file::Path& path, unsigned mode = 0600);
  UnixListener(UnixListener&&) noexcept = default;
  UnixListener& operator=(UnixListener&& other) noexcept;
  ~UnixListener();
  Result<UnixStream> accept(Deadline deadline, const Stop& stop);
  // Another process listens at the path now: it is left there.
  void disown() { fd_.reset(); }
  const file::Path& path() const { return path_; }

 private:
  UnixListener(UniqueFd fd, file::Path path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd fd_;
  file::Path path_;
};

// Two connected streams within this process (a socket pair): for tests and for threads of one process.
std::pair<UnixStream, UnixStream> make_pipe();

}  // namespace sealift::net
