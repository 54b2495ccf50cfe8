// A move's last report as the journal keeps it: read without complaint, and written to what reads the same.
#include <cstdlib>

#include "base/json.hpp"
#include "migrate/progress.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  const auto value = json::parse(as_text({data, size}), 1024 * 1024);
  if (!value) return 0;
  const Json once = migrate::to_json(migrate::progress_from_json(*value));
  const auto read = json::parse(json::dump(once), 8 * 1024 * 1024);
  if (!read || migrate::to_json(migrate::progress_from_json(*read)) != once) std::abort();
  return 0;
}
