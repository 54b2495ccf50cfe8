#include "app/move_view.hpp"

#include <cstdio>
#include <ctime>

#include <fmt/chrono.h>

#include "app/output.hpp"

namespace sealift::app {

namespace {

constexpr std::size_t kLabelWidth = 9;

std::string line_of(const std::string& label, const std::string& text) {
  return fmt::format("{:<{}}{}", label, kLabelWidth, text);
}

std::string percent(std::uint64_t done, std::uint64_t total) {
  return total == 0 ? "  0 %" : fmt::format("{:3} %", done >= total ? 100 : done * 100 / total);
}

std::string disk_line(const Json& disk) {
  const std::uint64_t total = number_field(disk, "total_bytes");
  std::string text = fmt::format("{}  {}, sent {}", percent(number_field(disk, "done_bytes"), total),
                                 human_bytes(total), human_bytes(number_field(disk, "sent_bytes")));
  if (number_field(disk, "round") > 0) text += fmt::format(", round {}", number_field(disk, "round"));
  return line_of(field(disk, "name"), text);
}

std::string memory_line(const Json& memory) {
  const std::uint64_t total = number_field(memory, "total_bytes");
  const std::uint64_t left = number_field(memory, "remaining_bytes");
  std::string text =
      fmt::format("{}  {}/s, dirty {}/s, pass {}", percent(total - std::min(left, total), total),
                  human_bytes(number_field(memory, "bytes_per_second")),
                  human_bytes(number_field(memory, "dirty_bytes_per_second")), number_field(memory, "pass"));
  if (const std::uint64_t seconds = number_field(memory, "seconds_left"); seconds > 0) {
    text += fmt::format(", ends {:%H:%M:%S}",
                        fmt::localtime(std::time(nullptr) + static_cast<std::time_t>(seconds)));
  }
  return line_of("memory", text);
}

double seconds_of(const Json& report, const std::string& name) {
  const Json value = report.value(name, Json());
  return value.is_number() ? value.get<double>() / 1000 : 0;
}

std::string pause_line(const Json& report) {
  std::string text = human_seconds(seconds_of(report, "total_ms"));
  if (seconds_of(report, "pause_ms") > 0) text += ", pause " + human_seconds(seconds_of(report, "pause_ms"));
  const Json parts = report.value("pause_parts_ms", Json::object());
  std::string separator = ": ";
  for (const auto& [name, value] : parts.items()) {
    text += fmt::format("{}{} {:.0f}", separator, name, value.is_number() ? value.get<double>() : 0.0);
    separator = ", ";
  }
  return line_of("done", text);
}

}  // namespace

void MoveView::update(const Json& move) {
  std::vector<std::string> lines;
  if (json::has(move, "checks")) lines.push_back(line_of("checks", field(move, "checks")));
  if (json::has(move, "map")) lines.push_back(line_of("map", field(move, "map")));
  for (const Json& disk : move.value("disks", Json::array())) lines.push_back(disk_line(disk));
  if (json::has(move, "memory") && move.at("memory").is_object())
    lines.push_back(memory_line(move.at("memory")));
  if (field(move, "switch") != "-") lines.push_back(line_of("switch", field(move, "switch")));
  if (field(move, "waiting") != "-") lines.push_back(line_of("waiting", field(move, "waiting")));
  show(lines);
}

void MoveView::show(const std::vector<std::string>& lines) {
  if (!terminal_) {
    for (const std::string& line : lines) {
      std::string& last = last_[line.substr(0, kLabelWidth)];
      if (last != line) fmt::print("{}\n", line);
      last = line;
    }
    std::fflush(stdout);
    return;
  }
  if (drawn_lines_ > 0) fmt::print("\033[{}A", drawn_lines_);
  for (const std::string& line : lines) fmt::print("\033[2K{}\n", line);
  drawn_lines_ = std::max(drawn_lines_, lines.size());
  std::fflush(stdout);
}

void MoveView::finish(const Json& move) {
  update(move);
  const Json report = move.value("report", Json::object());
  if (field(move, "state") != "done") {
    fmt::print("{}\n", line_of(field(move, "state"), field(move, "message")));
    return;
  }
  fmt::print("{}\n", pause_line(report));
  for (const Json& line : report.value("verified", Json::array())) {
    fmt::print("{}\n", line_of("verified", line.is_string() ? line.get<std::string>() : ""));
  }
  if (field(report, "source") != "-") fmt::print("{}\n", line_of("source", field(report, "source")));
  if (field(report, "receipt") != "-") fmt::print("{}\n", line_of("receipt", field(report, "receipt")));
}

}  // namespace sealift::app
