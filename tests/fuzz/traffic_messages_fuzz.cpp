// What travels beside the events: a reader's question, enrolment both ways, and the file that a balancer
// keeps of it. Whatever is accepted must be written back as what reads the same.
#include <cstdlib>

#include "traffic/enrolment.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  using namespace sealift::traffic;
  const std::string_view text = as_text({data, size});
  if (const auto kept = decode_enrolment(text)) {
    const auto again = decode_enrolment(encode_enrolment(*kept));
    if (!again || encode_enrolment(*again) != encode_enrolment(*kept)) std::abort();
    if (hosts_of(*kept).size() > kept->members.members.size()) std::abort();
  }
  const auto json = json::parse(text, 64 * 1024);
  if (!json) return 0;
  if (const auto request = parse_wait_request(*json)) {
    const auto again = parse_wait_request(to_json(*request));
    if (!again || to_json(*again) != to_json(*request)) std::abort();
  }
  if (const auto request = parse_enrol_request(*json)) {
    const auto again = parse_enrol_request(to_json(*request));
    if (!again || to_json(*again) != to_json(*request)) std::abort();
  }
  if (const auto enrolled = parse_enrolled(*json)) {
    const auto again = parse_enrolled(to_json(*enrolled));
    if (!again || again->members != enrolled->members) std::abort();
  }
  return 0;
}
