#include "migrate/link_probe.hpp"

#include <algorithm>
#include <thread>

namespace sealift::migrate {

using namespace std::chrono_literals;

namespace {

constexpr transport::StreamId kProbeStream = 48;  // above those of a move (protocol.hpp)
constexpr std::size_t kPieceBytes = 256 * 1024;
constexpr std::uint64_t kStreamBytesMax = 16U << 20U;
constexpr auto kEnough = 200ms;
constexpr auto kShort = 50ms;  // a burst that took less says little: the next one is twice as long

// Bursts, each waited for until the other side has it; the fastest one counts.
Result<double> measure(transport::StreamWriter writer, Deadline deadline, const Stop& stop) {
  const auto began = std::chrono::steady_clock::now();
  std::uint64_t sent = 0;
  double best = 0;
  for (std::uint64_t pieces = 1; sent < kStreamBytesMax;) {
    const auto at = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < pieces; ++i) {
      std::ranges::fill(writer.buffer().first(kPieceBytes), std::uint8_t{0});
      SEALIFT_TRY_STATUS(writer.commit(kPieceBytes, deadline, stop));
    }
    SEALIFT_TRY_STATUS(writer.flush(deadline, stop));
    const auto now = std::chrono::steady_clock::now();
    const std::uint64_t bytes = pieces * kPieceBytes;
    sent += bytes;
    best = std::max(best, static_cast<double>(bytes) / std::chrono::duration<double>(now - at).count());
    if (now - began > kEnough) break;
    if (now - at < kShort) pieces *= 2;
    pieces = std::min<std::uint64_t>(pieces, (kStreamBytesMax - sent) / kPieceBytes);
  }
  SEALIFT_TRY_STATUS(writer.finish(deadline, stop));
  return best;
}

Status drain(transport::StreamReader reader, Deadline deadline, const Stop& stop) {
  std::uint64_t bytes = 0;
  while (const auto record = SEALIFT_TRY(reader.next(deadline, stop))) {
    bytes += record->size();
    if (bytes > kStreamBytesMax + kPieceBytes)
      return fail(Code::kExhausted, "the probe of the link does not end");
  }
  return {};
}

transport::StreamId stream_of(unsigned index) {
  return static_cast<transport::StreamId>(kProbeStream + index);
}

}  // namespace

Result<std::uint64_t> probe_link(Conversation& talk, unsigned streams, std::uint64_t limit, Deadline deadline,
                                 const Stop& stop) {
  streams = std::clamp(streams, 1U, static_cast<unsigned>(protocol::kProbeStreamsMax));
  talk.session().set_bandwidth(limit);
  SEALIFT_TRY_STATUS(talk.send(protocol::Probe{streams}, stop));
  std::vector<Result<double>> rates(streams, 0.0);
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < streams; ++i)
      threads.emplace_back(
          [&, i] { rates[i] = measure(talk.session().writer(stream_of(i)), deadline, stop); });
  }
  double sum = 0;
  for (auto& rate : rates) sum += SEALIFT_TRY(std::move(rate));
  return static_cast<std::uint64_t>(sum);
}

Status take_probe(transport::Session& session, unsigned streams, Deadline deadline, const Stop& stop) {
  std::vector<Status> ends(streams);
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < streams; ++i)
      threads.emplace_back([&, i] { ends[i] = drain(session.reader(stream_of(i)), deadline, stop); });
  }
  for (const Status& end : ends) SEALIFT_TRY_STATUS(end);
  return {};
}

}  // namespace sealift::migrate
