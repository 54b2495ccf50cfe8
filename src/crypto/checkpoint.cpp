#include <algorithm>
#include <charconv>
#include <limits>

#include "crypto/note.hpp"

namespace sealift::crypto {

namespace {

bool valid_line(std::string_view line) {
  return !line.empty() && std::ranges::all_of(line, [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// Decimal without sign or leading zeros, at most 2^63 - 1: what other implementations hold in an int64.
Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): from_chars takes its end, not a terminator
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const bool whole = error == std::errc() && stop == end && !text.empty();
  if (!whole || (text.size() > 1 && text.front() == '0') ||
      value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return fail(Code::kInvalid, "checkpoint: the size is not a decimal number from 0 to 2^63-1");
  return value;
}

}  // namespace

std::string checkpoint_text(const Checkpoint& checkpoint) {
  std::string out =
      fmt::format("{}\n{}\n{}\n", checkpoint.origin, checkpoint.size, base64(checkpoint.root.view()));
  for (const std::string& line : checkpoint.extensions) out += line + "\n";
  return out;
}

Result<Checkpoint> parse_checkpoint(std::string_view text) {
  if (text.size() > kNoteBytesMax)
    return fail(Code::kInvalid, "checkpoint: {} bytes are too many", text.size());
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return fail(Code::kInvalid, "checkpoint: the last line is cut short");
    lines.push_back(text.substr(0, end));
    if (!valid_line(lines.back()))
      return fail(Code::kInvalid, "checkpoint: line {} is empty or not printable ASCII", lines.size());
    text.remove_prefix(end + 1);
  }
  if (lines.size() < 3)
    return fail(Code::kInvalid, "checkpoint: {} lines, at least 3 are needed", lines.size());
  Checkpoint out;
  out.origin = lines[0];
  if (out.origin == "cosignature/v1")
    return fail(Code::kInvalid, "checkpoint: not an origin: {}", out.origin);
  out.size = SEALIFT_TRY(parse_size(lines[1]));
  const Result<Bytes> root = unbase64(lines[2]);
  if (!root) return because(root.error(), "checkpoint: root");
  out.root = SEALIFT_TRY(Digest::from_bytes(*root));
  out.extensions.assign(lines.begin() + 3, lines.end());
  return out;
}

}  // namespace sealift::crypto
