#include "host/lock_holder.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

namespace sealift::host {

namespace {

std::optional<pid_t> pid_of(const file::Path& entry) {
  const std::string name = entry.filename().string();
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return pid;
}

bool has_open(pid_t pid, const struct stat& wanted) {
  std::error_code error;
  for (const auto& fd : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid), error)) {
    struct stat info{};
    if (::stat(fd.path().c_str(), &info) == 0 && info.st_dev == wanted.st_dev && info.st_ino == wanted.st_ino)
      return true;
  }
  return false;
}

// Field 22 of /proc/PID/stat, behind the name in parentheses.
std::optional<ProcessName> name_of(pid_t pid) {
  const auto text = file::read_text(fmt::format("/proc/{}/stat", pid), 4096);
  if (!text) return std::nullopt;
  std::size_t at = text->rfind(')');
  for (int field = 2; at != std::string::npos && field < 22; ++field) at = text->find(' ', at + 1);
  if (at == std::string::npos) return std::nullopt;
  return ProcessName{.pid = pid, .start_ticks = std::strtoull(text->c_str() + at, nullptr, 10)};
}

}  // namespace

std::optional<ProcessName> lock_holder(const file::Path& path) {
  struct stat wanted{};
  if (::stat(path.c_str(), &wanted) != 0) return std::nullopt;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const auto pid = pid_of(entry.path());
    if (!pid || *pid == ::getpid() || !has_open(*pid, wanted)) continue;
    if (const auto name = name_of(*pid)) return name;
  }
  return std::nullopt;
}

}  // namespace sealift::host
