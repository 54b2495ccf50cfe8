#pragma once

// STATE/host.json: what `host init` decided for good: {"sealift_host": 1, "name": text, "witness_only": bool,
// "region": text}. The rest is configuration (host/config.hpp) or the ledger's.

#include "base/file.hpp"
#include "ledger/ids.hpp"

namespace sealift::app {

struct HostFile {
  ledger::HostName name;
  bool witness_only = false;
  std::string region;
};
Status save_host_file(const file::Path& state_directory, const HostFile& host);  // kConflict when it exists
// kNotFound says to run `host init`.
Result<HostFile> load_host_file(const file::Path& state_directory);
// This machine's name, made into a valid host name.
std::string machine_name();

}  // namespace sealift::app
