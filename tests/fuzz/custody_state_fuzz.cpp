// The journal's custody states: what decodes encodes back to the same bytes.

#include <algorithm>
#include <cstdlib>

#include "migrate/custody/destination.hpp"
#include "migrate/custody/source.hpp"

namespace {

void same(const sealift::Bytes& again, const std::uint8_t* data, std::size_t size) {
  if (!std::equal(again.begin(), again.end(), data, data + size)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace custody = sealift::migrate::custody;
  if (const auto state = custody::source::decode({data, size}))
    same(custody::source::encode(*state), data, size);
  if (const auto state = custody::destination::decode({data, size}))
    same(custody::destination::encode(*state), data, size);
  return 0;
}
