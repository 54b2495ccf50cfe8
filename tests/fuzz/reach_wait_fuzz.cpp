// Parameters of reach.wait, and its answer: what one side accepts it says itself in the same way.

#include <cstdlib>

#include "net/call_wire.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = json::parse(as_text({data, size}), 1024 * 1024);
  if (!value) return 0;
  const auto wait = net::parse_reach_wait(*value);
  if (wait && !net::parse_reach_wait(net::to_json(*wait))) std::abort();
  const auto calls = net::parse_calls(*value);
  if (calls && net::parse_calls(net::calls_to_json(*calls)).value() != *calls) std::abort();
  return 0;
}
