// How fast a disk is copied and verified over one session on loopback, both ends in this process:
//   disk_copy_bench SOURCE DESTINATION [WORKERS [adaptive|always|never]]     raw images
// DESTINATION is made anew. Prints the time until everything is received and until it is durable, both roots,
// CPU seconds per GiB of data of both ends, and the stages. Compare: nbdcopy to nbdkit over TLS, which
// verifies nothing.

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "base/guarded.hpp"
#include "image/raw_file.hpp"
#include "migrate/disk/receiver.hpp"
#include "migrate/disk/sender.hpp"
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

template <class T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  static_cast<void>(std::fprintf(stderr, "%s\n", result.error().message.c_str()));
  std::exit(1);
}
void must(const Status& status) {
  if (status) return;
  static_cast<void>(std::fprintf(stderr, "%s\n", status.error().message.c_str()));
  std::exit(1);
}

void print(const char* end, const migrate::CopyStats& stats) {
  std::printf("%-11s read %.0f hash %.0f zstd %.0f send %.0f receive %.0f write %.0f flush %.0f ms; ", end,
              stats.read_ms, stats.hash_ms, stats.compress_ms, stats.send_ms, stats.receive_ms,
              stats.write_ms, stats.flush_ms);
  std::printf("data %.0f MiB (compressed %.0f), records %.0f MiB\n",
              static_cast<double>(stats.data_bytes) / 1048576,
              static_cast<double>(stats.compressed_bytes) / 1048576,
              static_cast<double>(stats.record_bytes) / 1048576);
}

void copy(transport::Session& from, transport::Session& to, const file::Path& source_path,
          const file::Path& destination_path, const migrate::SenderOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const double cpu = cpu_seconds();
  const auto ms = [&] {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  };
  const auto source = must(image::RawFile::open(source_path, image::Access::kReadOnly));
  const auto sink = must(image::RawFile::create(destination_path, source->size_bytes()));
  const auto ours = must(image::LeafTable::temporary(source->size_bytes()));
  const auto theirs = must(image::LeafTable::temporary(source->size_bytes()));
  const auto sender =
      must(migrate::DiskSender::open(from, {{.table = ours.get(), .known_file = {}}}, options));
  const auto receiver = must(
      migrate::DiskReceiver::open(to, {{.sink = sink.get(), .content = sink.get(), .table = theirs.get()}},
                                  {.workers = options.workers}));
  double sent_ms = 0;
  {
    std::jthread sending([&] {
      must(sender->take_offer(Deadline::never(), {}));
      must(sender->send_round({{.source = source.get(), .leaves = {}}}, migrate::MoreRounds::kNone, {}));
      sent_ms = ms();
    });
    must(receiver->offer({}, Deadline::never(), {}));
    static_cast<void>(must(receiver->receive_round({})));
  }
  const bool equal = must(ours->root()) == must(theirs->root());
  const double all_ms = ms();
  const double gib = static_cast<double>(sender->stats().data_bytes) / (1 << 30);
  std::printf("%.0f ms durable and verified, %.0f ms handed over; %.2f CPU s/GiB; roots %s\n", all_ms,
              sent_ms, (cpu_seconds() - cpu) / gib, equal ? "equal" : "DIFFER");
  print("source", sender->stats());
  print("destination", receiver->stats());
  if (!equal) std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  migrate::SenderOptions options;
  if (argc > 3) options.workers = static_cast<unsigned>(std::atoi(argv[3]));
  const std::string mode = argc > 4 ? argv[4] : "adaptive";
  if (mode == "always") options.compression = migrate::Compression::kAlways;
  if (mode == "never") options.compression = migrate::Compression::kNever;
  ::unlink(argv[2]);
  const auto here = crypto::Identity::generate();
  const auto there = crypto::Identity::generate();
  Guarded<std::unique_ptr<transport::Session>> accepted;
  transport::Acceptor acceptor(
      {}, [&](std::unique_ptr<transport::Session> session, const net::Hello&, const Stop& stop) {
        *accepted.lock() = std::move(session);
        accepted.notify_all();
        while (!stop.sleep(20ms)) {
        }
      });
  net::PeerServer server(there, {.host_name = "bern", .domain = {}},
                         [](const auto&, const auto&) { return Status(); });
  server.on("move", acceptor.control_handler());
  server.on_bulk(acceptor.bulk_handler());
  must(server.start({.host = "127.0.0.1", .port = 0}));
  const net::DialOptions dial{.endpoints = {{.host = "127.0.0.1", .port = server.port()}},
                              .expected = there.public_key(),
                              .hello = {.purpose = "move", .host_name = "zurich", .domain = {}}};
  auto session = must(transport::Session::initiate(
      std::make_unique<transport::EndpointDialer>(dial, here.clone()), {}, Deadline::in(5s), {}));
  std::unique_ptr<transport::Session> other;
  {
    auto state = accepted.lock();
    state.wait([](const auto& waiting) { return waiting != nullptr; });
    other = std::move(*state);
  }
  copy(*session, *other, argv[1], argv[2], options);
  session.reset();
  other.reset();
  server.stop();
}
