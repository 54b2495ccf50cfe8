#include "migrate/memory_parts.hpp"

#include "migrate/relay/relay.hpp"
#include "migrate/statement.hpp"

namespace sealift::migrate {

std::vector<ledger::SealPart> memory_parts(const transport::Session& session, unsigned channels,
                                           transport::Direction direction) {
  const auto counters = session.counters();
  std::vector<ledger::SealPart> parts;
  for (unsigned channel = 0; channel <= channels; ++channel) {
    const auto stream = static_cast<transport::StreamId>(kMainStream + channel);
    ledger::SealPart part;
    part.name = channel == 0 ? "memory/main" : fmt::format("memory/channel-{:02}", channel);
    part.algorithm = kAlgorithmTranscript;
    part.digest = session.transcript(stream, direction);
    for (const auto& counted : counters.streams)
      if (counted.stream == stream && counted.direction == direction) part.bytes = counted.bytes;
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace sealift::migrate
