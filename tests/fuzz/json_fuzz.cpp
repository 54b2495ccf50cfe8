// JSON from outside: what parses is printed as text that parses to the same value; the field readers take any
// value without complaint from a sanitizer.

#include <cstdlib>

#include "base/json.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kBytesMax = 64 * 1024;
  const auto value = json::parse(as_text({data, size}), kBytesMax);
  if (!value) return 0;
  const auto again = json::parse(json::dump(*value), 8 * kBytesMax);
  if (!again || *again != *value) std::abort();
  const bool any = json::text(*value, "name").has_value() || json::number(*value, "epoch").has_value() ||
                   json::boolean(*value, "ok").has_value() || json::object(*value, "sub").has_value() ||
                   json::array(*value, "list").has_value();
  if (any && !value->is_object()) std::abort();
  return 0;
}
