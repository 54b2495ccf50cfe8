#include "app/output.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

namespace sealift::app {

int exit_code(Code code) {
  switch (code) {
    case Code::kInvalid: return kExitUsage;
    case Code::kRefused:
    case Code::kConflict:
    case Code::kCorrupt:
    case Code::kUnauthorized: return kExitRefused;
    case Code::kUnavailable:
    case Code::kTimeout: return kExitUnavailable;
    default: return kExitFailed;
  }
}

int print_error(const Error& error, bool as_json) {
  if (as_json) {
    fmt::print("{}\n",
               json::dump({{"error", {{"code", to_string(error.code)}, {"message", error.message}}}}));
  } else {
    fmt::print(stderr, "sealift: {}\n", error.message);
  }
  return exit_code(error.code);
}

void print_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const std::string& cell : header) widths.push_back(cell.size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  }
  const auto print_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      line += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    fmt::print("{}\n", line);
  };
  print_row(header);
  for (const auto& row : rows) print_row(row);
}

void print_pairs(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::size_t width = 0;
  for (const auto& [name, value] : pairs) width = std::max(width, name.size());
  for (const auto& [name, value] : pairs) fmt::print("{:<{}}  {}\n", name, width, value);
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  double value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view unit = text.substr(static_cast<std::size_t>(at - text.data()));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  static constexpr std::string_view kUnits = "KMGTP";
  double factor = 1;
  bool known = unit.empty() || unit == "B";
  if (!unit.empty() && kUnits.find(unit.front()) != std::string_view::npos) {
    factor = std::pow(1024.0, static_cast<double>(kUnits.find(unit.front()) + 1));
    known = unit.size() == 1 || unit.substr(1) == "iB" || unit.substr(1) == "B";
  }
  const bool fits = value >= 0 && value * factor <= 9e18;  // "nan" is a number to from_chars, and doesn't
  if (error != std::errc() || !known || !fits) {
    return fail(Code::kInvalid, "'{}' is not a size: write 4096, 512M or 1.5G (powers of 1024)", text);
  }
  return static_cast<std::uint64_t>(value * factor);
}

std::string field(const Json& object, const std::string& name) {
  if (!json::has(object, name) || object.at(name).is_null()) return "-";
  const Json& value = object.at(name);
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  return json::dump(value);
}

std::uint64_t number_field(const Json& object, const std::string& name) {
  return json::number(object, name).value_or(0);
}

}  // namespace sealift::app
