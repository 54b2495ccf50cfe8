#include "base/log.hpp"

#include <unistd.h>

#include <atomic>

#include "base/clock.hpp"

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
  return !value.empty() && value.find_first_of(" \t\r\n\"=\\") == std::string_view::npos;
}

void append_value(std::string& line, std::string_view value) {
  if (is_plain(value)) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') line += '\\';
    if (c == '\n') {
      line += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      line += ' ';
    } else {
      line += c;
    }
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
