#pragma once

// `sealift host init`, and what its host says of itself to the domain.

#include "app/host_file.hpp"
#include "crypto/identity.hpp"
#include "host/config.hpp"
#include "ledger/body.hpp"

namespace sealift::app {

struct InitOptions {
  std::string name;       // empty: this machine's
  std::string listen;     // empty: the default, [::]:7420
  std::string advertise;  // empty: found from listen and the machine's name
  std::string region;
  bool witness_only = false;
};
// Identity, host.json, a commented sealift.toml, a domain of one. kConflict when it was done before.
Result<std::string> init_host(const file::Path& state_directory, const InitOptions& options);

// Its name, key, addresses and role, as the configuration and host.json have them.
Result<ledger::HostInfo> host_info(const HostFile& file, const crypto::Identity& identity,
                                   const host::HostConfig& config);

}  // namespace sealift::app
