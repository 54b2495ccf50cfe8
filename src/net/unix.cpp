#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <unistd.h>

#include "net/socket.hpp"
#include "net/socket_detail.hpp"

namespace sealift::net {

namespace {

Result<sockaddr_un> unix_address(const file::Path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.empty() || text.size() >= sizeof(address.sun_path)) {
    return fail(Code::kInvalid, "socket path '{}' is longer than {} bytes: use a shorter directory", text,
                sizeof(address.sun_path) - 1);
  }
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);  // what the socket calls take (POSIX sys/socket.h)
}

}  // namespace

Result<UnixStream> UnixStream::connect(const file::Path& path, Deadline deadline, const Stop& stop) {
  const sockaddr_un address = SEALIFT_TRY(unix_address(path));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "socket");
  while (::connect(fd.get(), generic(address), sizeof(address)) != 0) {
    // EAGAIN: the listener's queue is full (unix(7)); nothing tells when it is not, so it is asked again.
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return detail::connection_error(errno, fmt::format("connect {}", path.string()));
    if (deadline.passed()) return fail(Code::kTimeout, "connect {}: no answer in time", path.string());
    if (stop.sleep(Milliseconds{1})) return fail(Code::kCancelled, "stopped");
  }
  return UnixStream(std::move(fd));
}

Result<PeerCredentials> UnixStream::credentials() const {
  ucred credentials{};
  socklen_t bytes = sizeof(credentials);
  if (::getsockopt(fd(), SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) {
    return fail_errno(errno, "SO_PEERCRED");
  }
  return PeerCredentials{.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid};
}

Result<UnixListener> UnixListener::listen(const file::Path& path, unsigned mode) {
  const sockaddr_un address = SEALIFT_TRY(unix_address(path));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "socket");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return fail_errno(errno, fmt::format("removing old {}", path.string()));
  }
  if (::bind(fd.get(), generic(address), sizeof(address)) != 0) {
    return fail_errno(errno, fmt::format("bind {}", path.string()));
  }
  if (::chmod(path.c_str(), mode) != 0) return fail_errno(errno, fmt::format("chmod {}", path.string()));
  if (::listen(fd.get(), 64) != 0) return fail_errno(errno, fmt::format("listen {}", path.string()));
  return UnixListener(std::move(fd), path);
}

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

UnixListener::~UnixListener() {
  if (fd_) ::unlink(path_.c_str());
}

Result<UnixStream> UnixListener::accept(Deadline deadline, const Stop& stop) {
  return UnixStream(SEALIFT_TRY(detail::accept_on(fd_.get(), deadline, stop)));
}

}  // namespace sealift::net
