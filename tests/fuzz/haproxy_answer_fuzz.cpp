// HAProxy's answers, and the file of what is held there: whatever they say, what is written back reads the
// same, and no name becomes a second command.
#include <cstdlib>

#include "traffic/haproxy_end.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  using namespace sealift::traffic;
  const std::string_view text = as_text({data, size});
  const auto limits = parse_haproxy_stat(text, "web", "s1");
  if (!limits && limits.error().code != Code::kNotFound && limits.error().code != Code::kInvalid)
    std::abort();
  const auto checks = parse_haproxy_checks(text, "web", "s1");
  if (!checks && checks.error().code != Code::kNotFound && checks.error().code != Code::kInvalid)
    std::abort();
  const auto held = decode_held(text);
  if (!held) return 0;
  const auto again = decode_held(encode_held(*held));
  if (!again || encode_held(*again) != encode_held(*held)) std::abort();
  for (const HaproxyHeld& one : *held)
    if (one.server.backend.find_first_of("\n; /") != std::string::npos) std::abort();
  return 0;
}
