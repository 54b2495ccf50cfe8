#include "balance/listen.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sealift::balance {

namespace {

constexpr std::size_t kFdsMax = 32;  // per message
constexpr std::size_t kMessagesMax = 256;
constexpr std::size_t kTextMax = 1024 * 1024;
constexpr Milliseconds kPatience{10'000};

Status send_fds(net::UnixStream& to, std::span<const std::pair<std::string, int>> sockets, bool more,
                const Json& state) {
  Json names = Json::array();
  std::vector<int> fds;
  for (const auto& [name, fd] : sockets) names.push_back(name), fds.push_back(fd);
  const std::string text = json::dump({{"listeners", names}, {"more", more}, {"state", state}});
  std::array<std::uint8_t, 4> length{};
  store_be32(length.data(), static_cast<std::uint32_t>(text.size()));
  iovec part{.iov_base = length.data(), .iov_len = length.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kFdsMax)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  if (::sendmsg(to.fd(), &message, MSG_NOSIGNAL) != static_cast<ssize_t>(length.size()))
    return fail_errno(errno, "handing over listening sockets");
  return to.write_all(as_bytes(text), Deadline::in(kPatience), {});
}

// The length and the descriptors that came with it.
Result<std::uint32_t> receive_fds(net::UnixStream& from, std::vector<UniqueFd>* fds) {
  SEALIFT_TRY_STATUS(wait_ready(from.fd(), Readiness::kReadable, Deadline::in(kPatience), {}));
  std::array<std::uint8_t, 4> length{};
  iovec part{.iov_base = length.data(), .iov_len = length.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kFdsMax)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t count = ::recvmsg(from.fd(), &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t number = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < number; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      fds->emplace_back(fd);
    }
  }
  if (count != static_cast<ssize_t>(length.size()))
    return fail(Code::kUnavailable, "the running balancer ended while handing over its sockets");
  return load_be32(length.data());
}

}  // namespace

Result<UniqueFd> open_listener(const Address& address) {
  sockaddr_storage storage{};
  const socklen_t bytes = address.to(&storage);
  UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, "socket");
  const int on = 1;
  for (const int option :
       {SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE})  // keep-alive is inherited by what is accepted
    ::setsockopt(fd.get(), SOL_SOCKET, option, &on, sizeof(on));
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // so is this
  if (storage.ss_family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), bytes) != 0)
    return fail_errno(errno, fmt::format("listening on {}", address.text()));
  if (::listen(fd.get(), 4096) != 0) return fail_errno(errno, fmt::format("listening on {}", address.text()));
  return fd;
}

Result<Heir> Heir::connect(const file::Path& path) {
  return Heir(SEALIFT_TRY(net::UnixStream::connect(path, Deadline::in(kPatience), {})));
}

Result<Inheritance> Heir::receive() {
  Inheritance inheritance;
  for (std::size_t i = 0; i < kMessagesMax; ++i) {
    std::vector<UniqueFd> fds;
    const std::uint32_t length = SEALIFT_TRY(receive_fds(stream_, &fds));
    if (length > kTextMax) return fail(Code::kInvalid, "handover: a message of {} bytes", length);
    Bytes text(length);
    SEALIFT_TRY_STATUS(net::read_exact(stream_, text, Deadline::in(kPatience), {}));
    const Json message = SEALIFT_TRY(json::parse(as_text(text), kTextMax));
    const Json names = SEALIFT_TRY(json::array(message, "listeners"));
    if (names.size() != fds.size())
      return fail(Code::kInvalid, "handover: {} names, {} sockets", names.size(), fds.size());
    for (std::size_t k = 0; k < fds.size(); ++k) {
      if (!names[k].is_string()) return fail(Code::kInvalid, "handover: a listener's name is no text");
      inheritance.sockets.push_back({names[k].get<std::string>(), std::move(fds[k])});
    }
    inheritance.state = message.value("state", Json::object());
    if (!SEALIFT_TRY(json::boolean(message, "more"))) return inheritance;
  }
  return fail(Code::kInvalid, "handover: more than {} messages", kMessagesMax);
}

Status Heir::ready() {
  SEALIFT_TRY_STATUS(stream_.write_all(as_bytes("R"), Deadline::in(kPatience), {}));
  std::array<std::uint8_t, 1> answer{};
  return net::read_exact(stream_, answer, Deadline::in(kPatience), {});
}

Result<bool> bequeath(net::UnixStream& heir, const std::vector<std::pair<std::string, int>>& sockets,
                      const Json& state, const std::function<void()>& on_ready, const Stop& stop) {
  std::span<const std::pair<std::string, int>> left(sockets);
  do {
    const auto part = left.first(std::min(left.size(), kFdsMax));
    left = left.subspan(part.size());
    SEALIFT_TRY_STATUS(send_fds(heir, part, !left.empty(), state));
  } while (!left.empty());
  std::array<std::uint8_t, 1> answer{};
  const auto ready = net::read_exact(heir, answer, Deadline::in(Milliseconds{60'000}), stop);
  if (!ready || answer[0] != 'R') return false;
  on_ready();
  SEALIFT_TRY_STATUS(heir.write_all(as_bytes("D"), Deadline::in(kPatience), {}));
  return true;
}

}  // namespace sealift::balance
