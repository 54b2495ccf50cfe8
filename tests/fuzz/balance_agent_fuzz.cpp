// A server's agent: whatever it says, its share is at most the whole.

#include <cstdlib>

#include "balance/probe.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  if (size > balance::kAnswerBytesMax) return 0;
  for (const bool ended : {false, true}) {
    const auto report = balance::read_agent_line(ByteView(data, size), ended);
    if (report && ended && !*report) std::abort();
    if (report && *report && (*report)->percent && *(*report)->percent > 100) std::abort();
  }
  return 0;
}
