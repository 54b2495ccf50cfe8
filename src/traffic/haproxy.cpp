#include "traffic/haproxy.hpp"

#include <algorithm>
#include <charconv>

#include "net/socket.hpp"

namespace sealift::traffic {

namespace {

constexpr std::size_t kAnswerBytesMax = 1024 * 1024;
constexpr std::size_t kColumnsMax = 256;
constexpr Milliseconds kAnswerWithin{1'000};
constexpr std::uint32_t kChecksEnabled = 0x4;  // srv_check_state, CHK_ST_ENABLED

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  while (parts.size() < kColumnsMax) {
    const std::size_t end = text.find(by);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

// The lines of a table whose head begins with "# ", as long as they have what the head names.
class Table {
 public:
  Table(std::string_view text, char by) : by_(by) {
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t end = rest.find('\n');
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (line.starts_with("# ")) {
        head_ = split(line.substr(2), by_);
      } else if (!head_.empty() && !line.empty()) {
        lines_.push_back(line);
      }
    }
  }
  // The cells of the line with these two.
  Result<std::vector<std::string_view>> find(std::string_view one, std::string_view is,
                                             std::string_view other, std::string_view is_too) const {
    for (const std::string_view line : lines_) {
      const std::vector<std::string_view> cells = split(line, by_);
      if (cell(cells, one) == is && cell(cells, other) == is_too) return cells;
    }
    return fail(Code::kNotFound, "HAProxy knows no server {}/{}", is, is_too);
  }
  std::string_view cell(const std::vector<std::string_view>& cells, std::string_view name) const {
    const auto at = std::ranges::find(head_, name);
    const auto index = static_cast<std::size_t>(at - head_.begin());
    return at == head_.end() || index >= cells.size() ? std::string_view() : cells[index];
  }

 private:
  char by_;
  std::vector<std::string_view> head_;
  std::vector<std::string_view> lines_;
};

Result<std::uint32_t> number(std::string_view text, std::string_view column) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return fail(Code::kInvalid, "HAProxy's column '{}' is no number", column);
  return value;
}

Result<std::string> ask(const std::string& socket, const std::string& command) {
  const Deadline deadline = Deadline::in(kAnswerWithin);
  auto stream = SEALIFT_TRY(net::UnixStream::connect(socket, deadline, {}));
  SEALIFT_TRY_STATUS(stream.write_all(as_bytes(command + "\n"), deadline, {}));
  std::string answer;
  Bytes piece(16 * 1024);
  while (true) {
    const std::size_t count = SEALIFT_TRY(stream.read_some(piece, deadline, {}));
    if (count == 0) return answer;
    if (answer.size() + count > kAnswerBytesMax)
      return fail(Code::kInvalid, "HAProxy's answer is longer than {} bytes", kAnswerBytesMax);
    answer += as_text(ByteView(piece).first(count));
  }
}

// One that says nothing when it is done.
Status tell(const HaproxyServer& server, const std::string& command) {
  const std::string answer = SEALIFT_TRY(ask(server.socket, command));
  if (answer.find_first_not_of(" \r\n") == std::string::npos) return {};
  return fail(Code::kRefused, "HAProxy refuses '{}': {}", command,
              std::string_view(answer).substr(0, std::min<std::size_t>(answer.find('\n'), 200)));
}

}  // namespace

bool good_haproxy_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == ':';
  });
}

Result<HaproxyLimits> parse_haproxy_stat(std::string_view answer, std::string_view backend,
                                         std::string_view server) {
  const Table table(answer, ',');
  const auto cells = SEALIFT_TRY(table.find("pxname", backend, "svname", server));
  HaproxyLimits limits;
  const std::string_view most = table.cell(cells, "slim");  // empty: no limit
  if (!most.empty()) limits.connections_max = SEALIFT_TRY(number(most, "slim"));
  limits.queued = SEALIFT_TRY(number(table.cell(cells, "qcur"), "qcur"));
  // Who is not bound to one server waits in the backend's own queue.
  const auto backend_cells = SEALIFT_TRY(table.find("pxname", backend, "svname", "BACKEND"));
  limits.queued += SEALIFT_TRY(number(table.cell(backend_cells, "qcur"), "qcur"));
  return limits;
}

Result<bool> parse_haproxy_checks(std::string_view answer, std::string_view backend,
                                  std::string_view server) {
  const Table table(answer, ' ');
  const auto cells = SEALIFT_TRY(table.find("be_name", backend, "srv_name", server));
  const std::uint32_t state = SEALIFT_TRY(number(table.cell(cells, "srv_check_state"), "srv_check_state"));
  return (state & kChecksEnabled) != 0;
}

Result<HaproxyLimits> haproxy_limits(const HaproxyServer& server) {
  const std::string answer =
      SEALIFT_TRY(ask(server.socket, fmt::format("show stat {} 6 -1", server.backend)));
  return parse_haproxy_stat(answer, server.backend, server.server);
}

Result<bool> haproxy_checks(const HaproxyServer& server) {
  const std::string answer =
      SEALIFT_TRY(ask(server.socket, fmt::format("show servers state {}", server.backend)));
  return parse_haproxy_checks(answer, server.backend, server.server);
}

Status set_haproxy_connections_max(const HaproxyServer& server, std::uint32_t most) {
  return tell(server, fmt::format("set maxconn server {}/{} {}", server.backend, server.server, most));
}

Status set_haproxy_checks(const HaproxyServer& server, bool on) {
  return tell(server,
              fmt::format("{} health {}/{}", on ? "enable" : "disable", server.backend, server.server));
}

}  // namespace sealift::traffic
