#include "hypervisor/qemu/unix_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sealift::hypervisor::qemu {

namespace {

Result<sockaddr_un> address_of(const file::Path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& text = path.native();
  if (text.size() >= sizeof(address.sun_path)) {
    return fail(Code::kInvalid,
                "{}: a socket's path may have {} bytes at most: choose a shorter state directory", text,
                sizeof(address.sun_path) - 1);
  }
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

Result<UniqueFd> listen_unix(const file::Path& path) {
  const sockaddr_un address = SEALIFT_TRY(address_of(path));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(errno, "socket");
  ::unlink(path.c_str());
  if (::bind(socket.get(), generic(address), sizeof(address)) != 0)
    return fail_errno(errno, fmt::format("listen on {}", path.string()));
  if (::chmod(path.c_str(), 0600) != 0 || ::listen(socket.get(), 16) != 0)
    return fail_errno(errno, fmt::format("listen on {}", path.string()));
  return socket;
}

Result<UniqueFd> connect_unix(const file::Path& path) {
  const sockaddr_un address = SEALIFT_TRY(address_of(path));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno(errno, "socket");
  // A unix connect never blocks for long: it succeeds into the backlog or fails at once (EAGAIN: backlog
  // full).
  if (::connect(socket.get(), generic(address), sizeof(address)) != 0)
    return fail(Code::kUnavailable, "connect to {}: {}", path.string(), std::strerror(errno));
  return socket;
}

}  // namespace sealift::hypervisor::qemu
