#include "net/socket.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/check.hpp"
#include "net/socket_detail.hpp"

namespace sealift::net {

namespace detail {

std::unexpected<Error> connection_error(int error_number, std::string_view doing) {
  switch (error_number) {
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ECONNREFUSED:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case ENETRESET: {
      Error error = fail_errno(error_number, doing).error();
      error.code = Code::kUnavailable;
      return std::unexpected(std::move(error));
    }
    default: return fail_errno(error_number, doing);
  }
}

Status finish_connect(int fd, Deadline deadline, const Stop& stop) {
  SEALIFT_TRY_STATUS(wait_ready(fd, Readiness::kWritable, deadline, stop));
  int error = 0;
  socklen_t length = sizeof(error);
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return fail_errno(errno, "connecting");
  if (error != 0) return connection_error(error, "connecting");
  return {};
}

Result<UniqueFd> accept_on(int listener, Deadline deadline, const Stop& stop) {
  while (true) {
    SEALIFT_TRY_STATUS(wait_ready(listener, Readiness::kReadable, deadline, stop));
    UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) return fd;
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      return fail(Code::kExhausted, "accepting a connection: too many open files or no memory");
    }
    const bool again = errno == EAGAIN || errno == EINTR || errno == ECONNABORTED || errno == EPROTO;
    if (!again) return fail_errno(errno, "accepting a connection");
  }
}

}  // namespace detail

SocketStream::SocketStream(SocketStream&& other) noexcept
    : fd_(std::move(other.fd_)), closed_(other.closed_.load()) {}

SocketStream& SocketStream::operator=(SocketStream&& other) noexcept {
  fd_ = std::move(other.fd_);
  closed_.store(other.closed_.load());
  return *this;
}

Result<std::size_t> SocketStream::receive(MutableByteView out, int flags, Deadline deadline,
                                          const Stop& stop) {
  SEALIFT_CHECK(!out.empty());
  if (stop.stopped()) return fail(Code::kCancelled, "stopped");
  while (true) {
    const ssize_t got = ::recv(fd_.get(), out.data(), out.size(), flags | MSG_DONTWAIT);
    const int error = errno;
    if (closed_.load(std::memory_order_acquire)) return fail(Code::kClosed, "the connection is closed");
    if (got >= 0) return static_cast<std::size_t>(got);
    if (error == EINTR) continue;
    if (error != EAGAIN && error != EWOULDBLOCK) return detail::connection_error(error, "reading");
    SEALIFT_TRY_STATUS(wait_ready(fd_.get(), Readiness::kReadable, deadline, stop));
  }
}

Result<std::size_t> SocketStream::read_some(MutableByteView out, Deadline deadline, const Stop& stop) {
  return receive(out, 0, deadline, stop);
}

Result<std::size_t> SocketStream::peek(MutableByteView out, Deadline deadline, const Stop& stop) {
  return receive(out, MSG_PEEK, deadline, stop);
}

Status SocketStream::write_all(ByteView bytes, Deadline deadline, const Stop& stop) {
  if (stop.stopped()) return fail(Code::kCancelled, "stopped");
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    const int error = errno;
    if (closed_.load(std::memory_order_acquire)) return fail(Code::kClosed, "the connection is closed");
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
      continue;
    }
    if (error == EINTR) continue;
    if (error != EAGAIN && error != EWOULDBLOCK) return detail::connection_error(error, "writing");
    SEALIFT_TRY_STATUS(wait_ready(fd_.get(), Readiness::kWritable, deadline, stop));
  }
  return {};
}

void SocketStream::shutdown_write() {
  ::shutdown(fd_.get(), SHUT_WR);
}

void SocketStream::close() {
  closed_.store(true, std::memory_order_release);
  ::shutdown(fd_.get(), SHUT_RDWR);
}

bool SocketStream::idle_and_open() const {
  pollfd state{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return !closed_.load() && ::poll(&state, 1, 0) == 0;
}

void SocketStream::set_buffers(int send_bytes, int receive_bytes) {
  const auto set = [this](int forced, int plain, int bytes) {
    if (::setsockopt(fd_.get(), SOL_SOCKET, forced, &bytes, sizeof(bytes)) != 0) {
      ::setsockopt(fd_.get(), SOL_SOCKET, plain, &bytes, sizeof(bytes));
    }
  };
  if (send_bytes > 0) set(SO_SNDBUFFORCE, SO_SNDBUF, send_bytes);
  if (receive_bytes > 0) set(SO_RCVBUFFORCE, SO_RCVBUF, receive_bytes);
}

std::pair<UnixStream, UnixStream> make_pipe() {
  std::array<int, 2> fds{-1, -1};
  const int made = ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data());
  SEALIFT_CHECK(made == 0);
  return {UnixStream(UniqueFd(fds[0])), UnixStream(UniqueFd(fds[1]))};
}

}  // namespace sealift::net
