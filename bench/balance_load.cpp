// The light client and server of the balancer's bench: so cheap that the balancer is what is measured.
//   balance_load server PORT                                    answers every 64 bytes with 128
//   balance_load client PORT CONNECTIONS SECONDS RATE           RATE 0: each asks again at once; else
//   requests a second
// The client prints {"requests": n, "seconds": s, "p99_us": x}. Keep-alive throughout.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kQuestion = 64, kAnswer = 128;

void must(bool fine, const char* what) {
  if (fine) return;
  std::perror(what);
  std::exit(1);
}

sockaddr_in local(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void watch(int epoll, int fd, std::uint64_t data) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  epoll_event event{.events = EPOLLIN, .data = {.u64 = data}};
  must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

void serve(int port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1, epoll = epoll_create1(0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in address = local(port);
  must(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0, "bind");
  must(listen(listener, 4096) == 0, "listen");
  watch(epoll, listener, static_cast<std::uint64_t>(listener));
  std::array<epoll_event, 256> events;
  std::array<char, 4096> bytes{};
  for (;;) {
    const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const auto fd = static_cast<int>(events[static_cast<std::size_t>(i)].data.u64);
      if (fd == listener) {
        const int accepted = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        if (accepted >= 0) watch(epoll, accepted, static_cast<std::uint64_t>(accepted));
        continue;
      }
      if (recv(fd, bytes.data(), bytes.size(), 0) > 0) {
        send(fd, bytes.data(), kAnswer, MSG_NOSIGNAL);
      } else {
        close(fd);
      }
    }
  }
}

struct Asker {
  int fd = -1;
  std::size_t missing = 0;  // of the answer; 0: none is awaited
  Clock::time_point asked{}, due{};
};

void ask(Asker& asker, Clock::time_point since) {
  static constexpr std::array<char, kQuestion> kBytes{};
  asker.asked = since;
  asker.missing = kAnswer;
  must(send(asker.fd, kBytes.data(), kBytes.size(), MSG_NOSIGNAL) == kQuestion, "send");
}

void load(int port, std::size_t connections, double seconds, double rate) {
  const int epoll = epoll_create1(0);
  const sockaddr_in address = local(port);
  std::vector<Asker> askers(connections);
  for (std::size_t i = 0; i < connections; ++i) {
    askers[i].fd = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(askers[i].fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0, "connect");
    watch(epoll, askers[i].fd, i);
  }
  const auto begun = Clock::now();
  const auto end =
      begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  const auto interval = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(rate > 0 ? static_cast<double>(connections) / rate : 0));
  for (std::size_t i = 0; i < connections; ++i)
    askers[i].due = begun + interval * static_cast<int>(i) / static_cast<int>(connections);
  std::vector<double> latencies;
  std::array<epoll_event, 256> events;
  std::array<char, 4096> bytes{};
  for (auto now = begun; now < end; now = Clock::now()) {
    for (Asker& asker : askers) {
      if (asker.missing != 0 || now < asker.due) continue;
      ask(asker, rate > 0 ? asker.due : now);  // from when it was due: waiting behind a slow answer counts
      asker.due = rate > 0 ? asker.due + interval : now;
    }
    const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), rate > 0 ? 1 : 100);
    now = Clock::now();
    for (int i = 0; i < count; ++i) {
      Asker& asker = askers[events[static_cast<std::size_t>(i)].data.u64];
      const ssize_t got = recv(asker.fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
      must(got > 0, "recv");
      asker.missing -= std::min(asker.missing, static_cast<std::size_t>(got));
      if (asker.missing == 0)
        latencies.push_back(std::chrono::duration<double, std::micro>(now - asker.asked).count());
    }
  }
  std::ranges::sort(latencies);
  const double p99 = latencies.empty() ? 0 : latencies[latencies.size() * 99 / 100];
  fmt::print("{{\"requests\": {}, \"seconds\": {:.3f}, \"p99_us\": {:.1f}}}\n", latencies.size(),
             std::chrono::duration<double>(Clock::now() - begun).count(), p99);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 2 ? argv[1] : "";
  if (what == "server") serve(std::atoi(argv[2]));
  if (what == "client" && argc == 6)
    load(std::atoi(argv[2]), static_cast<std::size_t>(std::atoi(argv[3])), std::atof(argv[4]),
         std::atof(argv[5]));
  return 0;
}
