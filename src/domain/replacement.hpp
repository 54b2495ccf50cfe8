#pragma once

// Replacing a host's domain, on disk: what join and leave do once the decision is final. Restartable at every
// point: replacement.json is durable before anything moves, and is worked off when the node opens.
//
//   replacement.json  {"genesis": base64, "server_key": verifier key or "", "server_endpoints": [...]}
//   1 ledger.db, domain.db, genesis.json (those of another genesis) become <name>.left-<domain's first 8
//   digits> 2 genesis.json is written   3 the new domain.db learns where the server is   4 replacement.json
//   goes

#include <string>
#include <vector>

#include "base/file.hpp"
#include "ledger/genesis.hpp"

namespace sealift::domain {

struct Replacement {
  Bytes genesis;
  std::string server_key;  // empty: this host founds it
  std::vector<std::string> server_endpoints;
};

Status begin_replacement(const file::Path& directory, const Replacement& replacement);
// Does nothing where none was begun. No store of the directory may be open.
Status finish_replacement(const file::Path& directory);
Result<Replacement> parse_replacement(std::string_view text);  // kInvalid

}  // namespace sealift::domain
