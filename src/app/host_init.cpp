#include "app/host_init.hpp"

#include <filesystem>

#include "domain/node.hpp"

namespace sealift::app {

namespace {

// How others reach this host: as the configuration says (it may say: not at all), else a named listen
// address, else this machine's name.
Result<std::vector<std::string>> advertised(const host::HostConfig& config) {
  if (config.outgoing_only()) return std::vector<std::string>();
  if (!config.advertise.empty()) return config.advertise;
  net::Endpoint endpoint = SEALIFT_TRY(net::Endpoint::parse(config.listen));
  if (endpoint.host.empty() || endpoint.host == "::" || endpoint.host == "0.0.0.0")
    endpoint.host = machine_name();
  return std::vector<std::string>{endpoint.text()};
}

std::string first_lines(const HostFile& file, const InitOptions& options) {
  std::string text =
      fmt::format("# sealift host {}; every key is optional. Changes count from the daemon's next start.\n",
                  file.name.text());
  if (!options.listen.empty()) text += fmt::format("listen = \"{}\"\n", options.listen);
  if (!options.advertise.empty()) text += fmt::format("advertise = [\"{}\"]\n", options.advertise);
  return text + "\n";
}

}  // namespace

Result<ledger::HostInfo> host_info(const HostFile& file, const crypto::Identity& identity,
                                   const host::HostConfig& config) {
  return ledger::HostInfo{.name = file.name,
                          .key = identity.public_key(),
                          .endpoints = SEALIFT_TRY(advertised(config)),
                          .region = file.region,
                          .witness_only = file.witness_only};
}

Result<std::string> init_host(const file::Path& state_directory, const InitOptions& options) {
  const auto name = ledger::HostName::parse(options.name.empty() ? machine_name() : options.name);
  if (!name) return because(name.error(), "--name");
  if (!options.listen.empty()) SEALIFT_TRY(net::Endpoint::parse(options.listen));
  if (!options.advertise.empty() && options.advertise != host::kNoAddress)
    SEALIFT_TRY(net::Endpoint::parse(options.advertise));
  const HostFile file{.name = *name, .witness_only = options.witness_only, .region = options.region};
  if (const Status made = file::make_private_directory(state_directory); !made)
    return fail(
        made.error().code,
        "the state directory {} cannot be made ({}): run this as root, or name a directory of your own "
        "with --state",
        state_directory.string(), made.error().message);
  if (std::filesystem::exists(state_directory / "host.json")) {
    return fail(Code::kConflict, "{} holds a host already; nothing was changed. Start it: sealift host run",
                state_directory.string());
  }
  const file::Path key_path = state_directory / "host.key";
  if (!std::filesystem::exists(key_path)) SEALIFT_TRY_STATUS(crypto::Identity::generate().save(key_path));
  const crypto::Identity identity = SEALIFT_TRY(crypto::Identity::load(key_path));
  const file::Path config_path = state_directory / "sealift.toml";
  if (!std::filesystem::exists(config_path)) {
    const std::string text = first_lines(file, options) + std::string(host::default_config_text());
    SEALIFT_TRY_STATUS(file::write_atomic(config_path, std::string_view(text)));
  }
  const host::HostConfig config = SEALIFT_TRY(host::load_config(std::nullopt, state_directory));
  domain::NodeOptions node;
  node.directory = state_directory;
  node.self = SEALIFT_TRY(host_info(file, identity, config));
  SEALIFT_TRY(domain::Node::open(identity, std::move(node)));
  SEALIFT_TRY_STATUS(save_host_file(state_directory, file));
  return identity.public_key().verifier_key(name->text());
}

}  // namespace sealift::app
