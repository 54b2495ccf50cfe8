#include "app/move_view.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

#include <fmt/chrono.h>

#include "app/output.hpp"

namespace sealift::app {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kLabelWidth = 9;
constexpr auto kLineEvery = 1s;  // elsewhere than on a terminal: of what grows all the time

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
  if (number_field(disk, "had_bytes") > 0)
    text += fmt::format(", had {}", human_bytes(number_field(disk, "had_bytes")));
  if (number_field(disk, "round") > 0) text += fmt::format(", round {}", number_field(disk, "round"));
  return line_of(field(disk, "name"), text);
}

std::string memory_line(const Json& memory) {
  const std::uint64_t total = number_field(memory, "total_bytes");
  const std::uint64_t left = number_field(memory, "remaining_bytes");
  std::string text =
      fmt::format("{}  {}, dirty {}, pass {}", percent(total - std::min(left, total), total),
                  human_rate(number_field(memory, "bytes_per_second")),
                  human_rate(number_field(memory, "dirty_bytes_per_second")), number_field(memory, "pass"));
  if (const std::uint64_t seconds = number_field(memory, "seconds_left"); seconds > 0) {
    text += fmt::format(", ends {:%H:%M:%S}",
                        fmt::localtime(std::time(nullptr) + static_cast<std::time_t>(seconds)));
  }
  return line_of("memory", text);
}

double milliseconds(const Json& report, const std::string& name) {
  const Json value = report.value(name, Json());
  return value.is_number() ? value.get<double>() : 0;
}

std::string done_line(const Json& report) {
  std::string text = human_seconds(milliseconds(report, "total_ms") / 1000);
  if (milliseconds(report, "pause_ms") > 0)
    text += ", pause " + human_seconds(milliseconds(report, "pause_ms") / 1000);
  const Json parts = report.value("pause_parts_ms", Json::object());
  std::string separator = ": ";
  for (const auto& [name, value] : parts.items()) {
    text += fmt::format("{}{} {:.0f}", separator, name, value.is_number() ? value.get<double>() : 0.0);
    separator = ", ";
  }
  return line_of("done", text);
}

// "disks in quarantine until 24 Dec 2026"
std::string source_words(const Json& report) {
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::string words = field(report, "source");
  int year = 0, month = 0, day = 0;
  const std::string until = field(report, "kept_until");  // ISO 8601
  if (std::sscanf(until.c_str(), "%d-%d-%d", &year, &month, &day) == 3 && month >= 1 && month <= 12)
    words += fmt::format(" until {} {} {}", day, kMonths[month - 1], year);
  return words;
}

// A redrawn line must not wrap, or the next one is drawn over it.
std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string waiting_words(const Json& move) {
  std::string words = "for " + field(move, "waiting");
  if (field(move, "unanswered_since") != "-")
    words += ", unanswered since " + field(move, "unanswered_since");
  return words;
}

// What an ended move that did not reach its destination leaves, in words.
std::string safe_words(const Json& move) {
  const std::string state = field(move, "state");
  if (state == "aborted")
    return fmt::format("nothing moved; {} stays on {}", field(move, "vm"), field(move, "from"));
  if (state == "returned")
    return fmt::format("{} gave {} back before it started there; it stays on {}", field(move, "to"),
                       field(move, "vm"), field(move, "from"));
  return fmt::format("{}: this host's copy is not to be started; the ledger says who owns {}",
                     field(move, "vm"), field(move, "vm"));
}

}  // namespace

void MoveView::head(const Json& move) {
  if (headed_) return;
  headed_ = true;
  const auto put = [](const char* label, const std::string& text) {
    if (text != "-" && !text.empty()) fmt::print("{}\n", line_of(label, text));
  };
  put("checks", field(move, "checks"));
  for (const Json& warning : move.value("warnings", Json::array()))
    put("warning", warning.is_string() ? warning.get<std::string>() : "");
  put("expect", field(move, "expected"));
  put("map", field(move, "map"));
  std::fflush(stdout);
}

void MoveView::update(const Json& move) {
  head(move);
  std::vector<Line> lines;
  for (const Json& disk : move.value("disks", Json::array())) lines.push_back({disk_line(disk), true});
  if (json::has(move, "memory") && move.at("memory").is_object())
    lines.push_back({memory_line(move.at("memory")), true});
  const std::string id = field(move, "id").substr(0, 8);
  const bool ended = move.value("ended", false);
  if (!ended)
    lines.push_back({line_of(terminal_ ? "" : "move",
                             fmt::format("Ctrl-C detaches; stop it: sealift moves abort {}", id)),
                     false});
  if (field(move, "switch") != "-") lines.push_back({line_of("switch", field(move, "switch")), false});
  if (field(move, "waiting") != "-" && !ended)
    lines.push_back({line_of("waiting", waiting_words(move)), false});
  if (field(move, "problem") != "-" && !ended)
    lines.push_back({line_of("warning", field(move, "problem")), false});
  show(lines, ended);
}

void MoveView::show(const std::vector<Line>& lines, bool ended) {
  if (!terminal_) {
    const auto now = std::chrono::steady_clock::now();
    for (const Line& line : lines) {
      Last& last = last_[line.text.substr(0, kLabelWidth)];
      if (last.text == line.text || (line.grows && !ended && now - last.at < kLineEvery)) continue;
      fmt::print("{}\n", line.text);
      last = {line.text, now};
    }
    std::fflush(stdout);
    return;
  }
  if (drawn_lines_ > 0) fmt::print("\033[{}A\033[J", drawn_lines_);
  const std::size_t columns = terminal_columns();
  for (const Line& line : lines) fmt::print("{}\n", line.text.substr(0, columns - 1));
  drawn_lines_ = lines.size();
  std::fflush(stdout);
}

void MoveView::finish(const Json& move) {
  update(move);
  const Json report = move.value("report", Json::object());
  if (field(move, "state") != "done") {
    fmt::print("{}\n{}\n", line_of(field(move, "state"), safe_words(move)),
               line_of("reason", field(move, "message")));
    return;
  }
  fmt::print("{}\n", done_line(report));
  const Json hold = report.value("hold", Json::object());
  const auto names = [&](const char* which) {
    const std::vector<std::string> list = json::texts(hold, which);
    return fmt::format("{}", fmt::join(list, ", "));
  };
  if (!names("by").empty())
    fmt::print("{}\n",
               line_of("held", fmt::format("new connections, by {}; waited {} before the pause", names("by"),
                                           human_seconds(milliseconds(hold, "waited_ms") / 1000))));
  if (!names("missing").empty())
    fmt::print("{}\n",
               line_of("warning", names("missing") + " did not say in time that it holds connections"));
  for (const Json& line : report.value("verified", Json::array())) {
    fmt::print("{}\n", line_of("verified", line.is_string() ? line.get<std::string>() : ""));
  }
  if (field(report, "source") != "-") fmt::print("{}\n", line_of("source", source_words(report)));
  if (field(report, "receipt") != "-") fmt::print("{}\n", line_of("receipt", field(report, "receipt")));
}

void MoveView::refused(const Json& answer, const std::string& vm) {
  fmt::print("refused  nothing moved; {} {}\n", vm, field(answer, "vm_is"));
  int number = 0;
  for (const Json& reason : answer.value("refused", Json::array()))
    fmt::print("{:2} {}\n", ++number, reason.is_string() ? reason.get<std::string>() : json::dump(reason));
}

}  // namespace sealift::app
