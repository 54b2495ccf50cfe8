#include "base/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/clock.hpp"
#include "base/text.hpp"

namespace sealift {

namespace {

std::atomic<LogLevel> least_level{LogLevel::kInfo};

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "error";
}

bool is_plain(std::string_view value) {
  return !value.empty() && value.find_first_of(" \"=\\") == std::string_view::npos &&
         printable(value) == value;
}

// Values may be somebody else's words: they can't end the line, nor steer a terminal.
void append_value(std::string& line, std::string_view value) {
  if (is_plain(value)) {
    line += value;
    return;
  }
  line += '"';
  for (bool first = true; first || !value.empty(); first = false) {
    const std::size_t end = std::min(value.find('\n'), value.size());
    for (const char c : printable(value.substr(0, end))) {
      if (c == '"' || c == '\\') line += '\\';
      line += c;
    }
    if (end < value.size()) line += "\\n";
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  line += '"';
}

}  // namespace

void set_log_level(LogLevel least) {
  least_level.store(least);
}

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (level < least_level.load(std::memory_order_relaxed)) return;
  std::string line =
      fmt::format("{} level={} event={}", to_iso8601(system_clock().wall()), name_of(level), event);
  for (const LogField& field : fields) {
    line += fmt::format(" {}=", field.name);
    append_value(line, field.value);
  }
  line += '\n';
  // One write per line: lines of several threads never mix.
  [[maybe_unused]] const ssize_t wrote = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace sealift
