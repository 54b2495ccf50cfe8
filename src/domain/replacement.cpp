#include "domain/replacement.hpp"

#include "base/json.hpp"
#include "domain/follow_loop.hpp"

namespace sealift::domain {
namespace {

constexpr std::size_t kReplacementBytesMax = 1024 * 1024;
constexpr std::string_view kFile = "replacement.json";

Status set_aside(const file::Path& directory, const ledger::DomainId& old) {
  for (const std::string_view name : {"ledger.db", "domain.db", "genesis.json"}) {
    for (const std::string_view suffix : {"", "-wal", "-shm"}) {
      const file::Path from = directory / fmt::format("{}{}", name, suffix);
      if (!std::filesystem::exists(from)) continue;
      const auto to = directory / fmt::format("{}.left-{}{}", name, old.hex().substr(0, 8), suffix);
      SEALIFT_TRY_STATUS(file::rename_durable(from, to));
    }
  }
  return {};
}

}  // namespace

Status begin_replacement(const file::Path& directory, const Replacement& replacement) {
  const Json value = {{"genesis", base64(replacement.genesis)},
                      {"server_key", replacement.server_key},
                      {"server_endpoints", replacement.server_endpoints}};
  return file::write_atomic(directory / kFile, json::dump(value));
}

Result<Replacement> parse_replacement(std::string_view text) {
  const Json value = SEALIFT_TRY(json::parse(text, kReplacementBytesMax));
  if (!value.is_object()) return fail(Code::kInvalid, "not a JSON object");
  Replacement replacement;
  const std::string bytes = SEALIFT_TRY(json::text(value, "genesis"));
  replacement.genesis = SEALIFT_TRY(unbase64(bytes));
  replacement.server_key = SEALIFT_TRY(json::text(value, "server_key"));
  for (const Json& item : SEALIFT_TRY(json::array(value, "server_endpoints"))) {
    if (!item.is_string()) return fail(Code::kInvalid, "an endpoint that is no text");
    replacement.server_endpoints.push_back(item.get<std::string>());
  }
  return replacement;
}

Status finish_replacement(const file::Path& directory) {
  const auto text = file::read_text(directory / kFile, kReplacementBytesMax);
  if (!text && text.error().code == Code::kNotFound) return {};
  if (!text) return std::unexpected(text.error());
  auto replacement = parse_replacement(*text);
  if (!replacement) return because(replacement.error(), (directory / kFile).string());
  const file::Path genesis_path = directory / "genesis.json";
  const auto old = file::read(genesis_path, ledger::kGenesisBytesMax);
  if (!old && old.error().code != Code::kNotFound) return std::unexpected(old.error());
  if (!old || *old != replacement->genesis) {
    // Without an old genesis, an earlier run came as far as moving it: the rest has been moved before it.
    if (old) SEALIFT_TRY_STATUS(set_aside(directory, {crypto::sha256(*old)}));
    SEALIFT_TRY_STATUS(file::write_atomic(genesis_path, replacement->genesis));
  }
  if (!replacement->server_key.empty()) {
    const auto key = SEALIFT_TRY(crypto::PublicKey::parse_verifier_key(replacement->server_key));
    const auto desk = SEALIFT_TRY(Desk::open(directory / "domain.db"));
    SEALIFT_TRY_STATUS(keep_server_hint(*desk, key, replacement->server_endpoints));
  }
  SEALIFT_TRY_STATUS(file::remove_tree(directory / kFile));
  return file::sync_directory(directory);
}

}  // namespace sealift::domain
