// How fast one sealed session carries bytes on loopback, both ends in this process:
//   transport_bench [STREAMS [GIB [CONNECTIONS]]]      default 2 4 2
// Prints GB/s and CPU seconds per GiB of both ends together. The content is whatever the buffers hold: what
// is measured is sealing, the way, opening.

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "base/guarded.hpp"
#include "transport/acceptor.hpp"

namespace {

using namespace sealift;
using namespace std::chrono_literals;

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void write_stream(transport::Session& session, transport::StreamId id, std::size_t records) {
  constexpr std::size_t kRecord = 256 * 1024;
  transport::StreamWriter writer = session.writer(id);
  for (std::size_t i = 0; i < records; ++i) {
    if (!writer.commit(kRecord)) std::abort();
  }
  if (!writer.finish() || !writer.flush(Deadline::never(), {})) std::abort();
}

void read_stream(transport::Session& session, transport::StreamId id) {
  transport::StreamReader reader = session.reader(id);
  while (true) {
    const auto record = reader.next(Deadline::never(), {});
    if (!record) std::abort();
    if (!*record) return;
  }
}

void measure(transport::Session& from, transport::Session& to, std::size_t streams, std::size_t first_id,
             std::size_t records) {
  const auto begin = std::chrono::steady_clock::now();
  const double cpu = cpu_seconds();
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < streams; ++i) {
      const auto id = static_cast<transport::StreamId>(first_id + i);
      threads.emplace_back([&, id] { write_stream(from, id, records / streams); });
      threads.emplace_back([&, id] { read_stream(to, id); });
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const double gib = static_cast<double>(records / streams * streams) / 4096.0;
  std::printf("%zu streams: %.2f GB/s, %.2f CPU s/GiB\n", streams, gib * 1.073741824 / took.count(),
              (cpu_seconds() - cpu) / gib);
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int at, std::size_t fallback) {
    return argc > at ? std::strtoul(argv[at], nullptr, 10) : fallback;
  };
  const std::size_t streams = argument(1, 2);
  const std::size_t records = argument(2, 4) * 4096;
  const transport::SessionOptions options{.connections = argument(3, 2)};

  const crypto::Identity server_key = crypto::Identity::generate();
  Guarded<std::unique_ptr<transport::Session>> accepted;
  transport::Acceptor acceptor(
      options, [&](std::unique_ptr<transport::Session> session, const net::Hello&, const Stop&) {
        *accepted.lock() = std::move(session);
        accepted.notify_all();
      });
  net::PeerServer server(server_key, {.host_name = "bern", .domain = {}},
                         [](const auto&, const auto&) { return Status(); });
  server.on("move", acceptor.control_handler());
  server.on_bulk(acceptor.bulk_handler());
  if (!server.start({"127.0.0.1", 0})) return 1;
  auto dialer = std::make_unique<transport::EndpointDialer>(
      net::DialOptions{.endpoints = {{"127.0.0.1", server.port()}},
                       .expected = server_key.public_key(),
                       .hello = {.purpose = "move", .host_name = "zurich", .domain = {}}},
      crypto::Identity::generate());
  auto from = transport::Session::initiate(std::move(dialer), options, Deadline::in(10s), {});
  if (!from) return 1;
  std::unique_ptr<transport::Session> to;
  {
    auto state = accepted.lock();
    state.wait([](const auto& session) { return session != nullptr; });
    to = std::move(*state);
  }
  for (std::size_t round = 0; round < 3; ++round) measure(**from, *to, streams, 1 + round * streams, records);
  from->reset();
  to.reset();
  server.stop();
  return 0;
}
