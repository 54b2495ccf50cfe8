#pragma once

// Log lines of key=value pairs on standard error:
//   2026-11-24T08:45:55.123Z level=info event=move.sealed move=7c1e vm=web-01
// Values with spaces or quotes are quoted. Secrets never reach this file: Secret has no formatter.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace sealift {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogField {
  template <class T>
  LogField(std::string_view field_name, const T& field_value)
      : name(field_name), value(fmt::format("{}", field_value)) {}
  std::string_view name;
  std::string value;
};

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});
inline void log_debug(std::string_view event, std::initializer_list<LogField> f = {}) {
  log(LogLevel::kDebug, event, f);
}
inline void log_info(std::string_view event, std::initializer_list<LogField> f = {}) {
  log(LogLevel::kInfo, event, f);
}
inline void log_warning(std::string_view event, std::initializer_list<LogField> f = {}) {
  log(LogLevel::kWarning, event, f);
}
inline void log_error(std::string_view event, std::initializer_list<LogField> f = {}) {
  log(LogLevel::kError, event, f);
}
void set_log_level(LogLevel least);

}  // namespace sealift
