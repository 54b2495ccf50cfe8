// The header of every frame between hosts: what decodes is encoded to the same bytes.

#include <algorithm>
#include <array>
#include <cstdlib>

#include "net/frame.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < net::kFrameHeaderBytes) return 0;
  const std::span<const std::uint8_t, net::kFrameHeaderBytes> in(data, net::kFrameHeaderBytes);
  const auto header = net::decode_frame_header(in);
  if (!header) return 0;
  std::array<std::uint8_t, net::kFrameHeaderBytes> again{};
  net::encode_frame_header(*header, again);
  if (!std::ranges::equal(again, in)) std::abort();
  return 0;
}
