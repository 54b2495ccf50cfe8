#include "app/host_file.hpp"

#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/json.hpp"

namespace sealift::app {

namespace {

constexpr std::size_t kBytesMax = 16 * 1024;
constexpr std::uint64_t kVersion = 1;

}  // namespace

Status save_host_file(const file::Path& state_directory, const HostFile& host) {
  const file::Path path = state_directory / "host.json";
  if (std::filesystem::exists(path))
    return fail(Code::kConflict, "{} exists already: this host was initialised before", path.string());
  const Json body = {{"sealift_host", kVersion},
                     {"name", host.name.text()},
                     {"witness_only", host.witness_only},
                     {"region", host.region}};
  return file::write_atomic(path, std::string_view(json::dump_pretty(body) + "\n"));
}

Result<HostFile> load_host_file(const file::Path& state_directory) {
  const file::Path path = state_directory / "host.json";
  const auto text = file::read_text(path, kBytesMax);
  if (!text && text.error().code == Code::kNotFound) {
    return fail(Code::kNotFound, "{} is no host's state directory yet: sealift host init",
                state_directory.string());
  }
  if (!text) return std::unexpected(text.error());
  const auto host = [&]() -> Result<HostFile> {
    const Json body = SEALIFT_TRY(json::parse(*text, kBytesMax));
    const std::uint64_t version = SEALIFT_TRY(json::number(body, "sealift_host"));
    if (version != kVersion)
      return fail(Code::kUnsupported, "version {}, this sealift knows {}", version, kVersion);
    HostFile file;
    file.name = SEALIFT_TRY(json::id<ledger::HostName>(body, "name"));
    file.witness_only = SEALIFT_TRY(json::boolean(body, "witness_only"));
    file.region = SEALIFT_TRY(json::text(body, "region"));
    return file;
  }();
  if (!host) return because(host.error(), path.string());
  return host;
}

std::string machine_name() {
  std::array<char, 256> raw{};
  if (::gethostname(raw.data(), raw.size() - 1) != 0) return "host";
  std::string name;
  for (const char c : std::string_view(raw.data())) {
    if (c == '.') break;
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    name += (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') || lower == '-' ? lower : '-';
  }
  return name.empty() ? "host" : name.substr(0, 63);
}

}  // namespace sealift::app
