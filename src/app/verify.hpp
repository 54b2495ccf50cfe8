#pragma once

// What is checked without a daemon: a receipt against a genesis file, and this host's own copy of the ledger.

#include <string>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/result.hpp"

namespace sealift::app {

struct Verdict {
  Json facts;
  std::string words;  // several lines
};

// kNotFound: a file is missing; kCorrupt, kUnauthorized, kInvalid: exactly what does not hold.
Result<Verdict> verify_receipt_file(const file::Path& receipt, const file::Path& genesis);
// Every block, record, signature and the state of DIRECTORY/ledger.db, safe while the daemon runs; or of what
// export_ledger wrote there.
Result<Verdict> verify_ledger(const file::Path& directory);
// genesis.json, checkpoint, blocks/<height>.block (ledger/block.hpp), checkpoints/<height> (what made
// a change of the members final) and records/<height>-<n>.json in a new directory.
Result<Verdict> export_ledger(const file::Path& state_directory, const file::Path& directory);

}  // namespace sealift::app
