// The return path's filter: whatever comes in whatever pieces, only PONG messages pass.

#include <algorithm>
#include <cstdlib>

#include "migrate/relay/return_path.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sealift::migrate::ReturnPathFilter filter;
  sealift::Bytes forward;
  const std::size_t piece = size > 0 ? data[0] % 7 + 1 : 1;
  for (std::size_t at = 0; at < size; at += piece) {
    if (!filter.feed({data + at, std::min(piece, size - at)}, forward)) break;
  }
  if (forward.size() % 8 != 0) std::abort();
  for (std::size_t at = 0; at < forward.size(); at += 8) {
    if (sealift::load_be16(&forward[at]) != 2) std::abort();
  }
  return 0;
}
