#include <array>
#include <charconv>
#include <limits>

#include "base/toml.hpp"

namespace sealift {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array<Unit, 4> kUnits{
    {{"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}}};

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  std::uint64_t unit = suffix.empty() ? 1 : 0;
  for (const Unit& known : kUnits) {
    if (suffix == known.name || suffix == known.name.substr(0, 1)) unit = known.bytes;
  }
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  if (error != std::errc() || unit == 0 || count > kMost / unit) {
    return fail(Code::kInvalid, "'{}' is not a size such as 512MiB or 2GiB", text);
  }
  return count * unit;
}

std::string format_size(std::uint64_t bytes) {
  for (const Unit& unit : kUnits) {
    if (bytes >= unit.bytes && bytes % unit.bytes == 0)
      return fmt::format("{}{}", bytes / unit.bytes, unit.name);
  }
  return fmt::format("{}", bytes);
}

}  // namespace sealift
