#include <algorithm>

#include "hypervisor/qemu/answers.hpp"
#include "hypervisor/qemu/qmp.hpp"

namespace sealift::hypervisor::qemu {

namespace {

Result<QmpVersion> parse_greeting(const Json& message) {
  const Json qmp = SEALIFT_TRY(json::object(message, "QMP"));
  const Json version = SEALIFT_TRY(json::object(qmp, "version"));
  const Json numbers = SEALIFT_TRY(json::object(version, "qemu"));
  QmpVersion out;
  out.major = SEALIFT_TRY(json::number(numbers, "major"));
  out.minor = SEALIFT_TRY(json::number(numbers, "minor"));
  out.micro = SEALIFT_TRY(json::number(numbers, "micro"));
  return out;
}

Result<QmpAnswer> parse_answer(const Json& message) {
  QmpAnswer answer;
  answer.id = SEALIFT_TRY(json::number(message, "id"));
  if (json::has(message, "return")) {
    answer.value = message.at("return");
    return answer;
  }
  const Json error = SEALIFT_TRY(json::object(message, "error"));
  const std::string kind = SEALIFT_TRY(json::text(error, "class"));
  std::string words = SEALIFT_TRY(json::text(error, "desc"));
  words.resize(std::min<std::size_t>(words.size(), 1024));
  Code code = Code::kRefused;
  if (kind == "DeviceNotFound") code = Code::kNotFound;
  if (kind == "CommandNotFound") code = Code::kUnsupported;
  answer.error = Error{code, std::move(words)};
  return answer;
}

}  // namespace

Status LineSplitter::feed(ByteView bytes) {
  std::string_view text = as_text(bytes);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view piece = text.substr(0, end);
    if (partial_.size() + piece.size() > line_bytes_max_)
      return fail(Code::kInvalid, "QMP: a line is longer than {} bytes", line_bytes_max_);
    partial_ += piece;
    if (end == std::string_view::npos) break;
    if (partial_.ends_with('\r')) partial_.pop_back();
    if (!partial_.empty()) lines_.push_back(std::exchange(partial_, {}));
    text.remove_prefix(end + 1);
  }
  return {};
}

std::optional<std::string> LineSplitter::next() {
  if (lines_.empty()) return std::nullopt;
  std::string line = std::move(lines_.front());
  lines_.pop_front();
  return line;
}

std::string QmpVersion::text() const {
  return fmt::format("{}.{}.{}", major, minor, micro);
}

Result<QmpMessage> parse_qmp_line(std::string_view line) {
  const auto parsed = json::parse(line, kQmpLineBytesMax);
  if (!parsed) return because(parsed.error(), "QMP");
  QmpMessage message;
  const auto checked = [&]() -> Status {
    const auto has = [&](std::string_view name) { return json::has(*parsed, name) ? 1 : 0; };
    const bool answer = has("return") + has("error") > 0;
    const int kinds = has("QMP") + has("return") + has("error") + has("event");
    if (kinds != 1) return fail(Code::kInvalid, "neither greeting nor answer nor event");
    if (answer) {
      message.answer = SEALIFT_TRY(parse_answer(*parsed));
    } else if (json::has(*parsed, "event")) {
      message.event = SEALIFT_TRY(parse_event(*parsed));
    } else {
      message.greeting = SEALIFT_TRY(parse_greeting(*parsed));
    }
    return {};
  }();
  if (!checked) return because(checked.error(), "QMP");
  return message;
}

Status check_version(const QmpVersion& version) {
  if (version.major >= 9) return {};
  return fail(
      Code::kUnsupported,
      "QEMU {} is too old: sealift needs 9.0 or newer, because older ones can lose the guest's memory "
      "writes in a live move. On Debian 12 install qemu-system-x86 and qemu-utils from "
      "bookworm-backports",
      version.text());
}

}  // namespace sealift::hypervisor::qemu
