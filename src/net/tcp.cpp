#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <vector>

#include "net/socket.hpp"
#include "net/socket_detail.hpp"

namespace sealift::net {

namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

// Names are looked up by the system's resolver, whose own time limits count, not ours; literals need none.
Result<Addresses> resolve(const Endpoint& endpoint, bool to_listen) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
  addrinfo* list = nullptr;
  const int error =
      ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &list);
  Addresses addresses(list);
  if (error == EAI_AGAIN) {
    return fail(Code::kUnavailable, "looking up '{}': {}", endpoint.host, ::gai_strerror(error));
  }
  if (error != 0 || list == nullptr) {
    return fail(Code::kNotFound, "no address of '{}': {}", endpoint.host, ::gai_strerror(error));
  }
  return addresses;
}

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof(value));
}

Result<UniqueFd> connect_address(const addrinfo& address, Deadline deadline, const Stop& stop) {
  UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "socket");
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) return detail::connection_error(errno, "connecting");
    SEALIFT_TRY_STATUS(detail::finish_connect(fd.get(), deadline, stop));
  }
  return fd;
}

Result<UniqueFd> listen_on(const sockaddr* address, socklen_t bytes) {
  UniqueFd fd(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "socket");
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address->sa_family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (::bind(fd.get(), address, bytes) != 0) return fail_errno(errno, "bind");
  if (::listen(fd.get(), 128) != 0) return fail_errno(errno, "listen");
  return fd;
}

Result<UniqueFd> listen_everywhere(std::uint16_t port) {
  const Endpoint six{.host = "::", .port = port};
  const Endpoint four{.host = "0.0.0.0", .port = port};
  std::unexpected<Error> reason = fail(Code::kIo, "no address family");
  for (const Endpoint& endpoint : {six, four}) {  // a kernel without IPv6 refuses the first
    auto addresses = resolve(endpoint, true);
    if (!addresses) continue;
    auto fd = listen_on((*addresses)->ai_addr, (*addresses)->ai_addrlen);
    if (fd) return fd;
    reason = std::unexpected(fd.error());
  }
  return reason;
}

}  // namespace

Result<TcpStream> TcpStream::connect(const Endpoint& endpoint, Deadline deadline, const Stop& stop) {
  const Addresses addresses = SEALIFT_TRY(resolve(endpoint, false));
  std::vector<const addrinfo*> list;
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) list.push_back(at);
  Error last{Code::kUnavailable, "no address"};
  for (std::size_t i = 0; i < list.size(); ++i) {
    // A silent address must not use up the time of those behind it.
    constexpr Milliseconds kEach{10'000};
    const bool more = i + 1 < list.size();
    auto fd = connect_address(*list[i], more ? deadline.within(kEach) : deadline, stop);
    if (fd) return TcpStream(std::move(*fd));
    last = std::move(fd).error();
    if (last.code == Code::kCancelled || deadline.passed()) break;
  }
  return because(std::move(last), fmt::format("{}", endpoint.text()));
}

void TcpStream::set_no_delay(bool on) {
  set_option(fd(), IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

void TcpStream::set_dead_after(Milliseconds duration) {
  const int seconds = std::max(1, static_cast<int>(duration.count() / 1000));
  set_option(fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(duration.count()));
  set_option(fd(), SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd(), IPPROTO_TCP, TCP_KEEPIDLE, std::max(1, seconds / 3));
  set_option(fd(), IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, seconds / 3));
  set_option(fd(), IPPROTO_TCP, TCP_KEEPCNT, 3);
}

std::string TcpStream::peer() const {
  sockaddr_storage address{};
  socklen_t bytes = sizeof(address);
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  // sockaddr_storage is made to be seen as a sockaddr (POSIX sys/socket.h).
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::getpeername(fd(), generic, &bytes) != 0 ||
      ::getnameinfo(generic, bytes, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "unknown";
  }
  const std::string name(host.data());
  return name.contains(':') ? fmt::format("[{}]:{}", name, port.data())
                            : fmt::format("{}:{}", name, port.data());
}

std::string TcpStream::source() const {
  sockaddr_storage address{};
  socklen_t bytes = sizeof(address);
  if (::getpeername(fd(), reinterpret_cast<sockaddr*>(&address), &bytes) != 0) return "unknown";
  if (address.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr;
    const ByteView octets(six.s6_addr, sizeof(six.s6_addr));
    // An IPv4 peer of a listener for both: ::ffff:192.0.2.7
    return IN6_IS_ADDR_V4MAPPED(&six) ? hex(octets.subspan(12)) : hex(octets.first(8));
  }
  const auto& four = reinterpret_cast<const sockaddr_in*>(&address)->sin_addr;
  return hex(ByteView(reinterpret_cast<const std::uint8_t*>(&four), sizeof(four)));
}

Result<TcpListener> TcpListener::listen(const Endpoint& endpoint) {
  UniqueFd fd;
  if (endpoint.host.empty() || endpoint.host == "::") {
    auto made = listen_everywhere(endpoint.port);
    if (!made) return because(std::move(made).error(), fmt::format("listening on port {}", endpoint.port));
    fd = std::move(*made);
  } else {
    const Addresses addresses = SEALIFT_TRY(resolve(endpoint, true));
    auto made = listen_on(addresses->ai_addr, addresses->ai_addrlen);
    if (!made) return because(std::move(made).error(), fmt::format("listening on {}", endpoint.text()));
    fd = std::move(*made);
  }
  sockaddr_storage address{};
  socklen_t bytes = sizeof(address);
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &bytes) != 0) {
    return fail_errno(errno, "getsockname");
  }
  const in_port_t port = address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                                       : reinterpret_cast<sockaddr_in*>(&address)->sin_port;
  return TcpListener(std::move(fd), ntohs(port));
}

Result<TcpStream> TcpListener::accept(Deadline deadline, const Stop& stop) {
  return TcpStream(SEALIFT_TRY(detail::accept_on(fd_.get(), deadline, stop)));
}

}  // namespace sealift::net
