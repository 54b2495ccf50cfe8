// Receipts: nothing but the one genuine receipt (the corpus holds it) proves anything under its genesis.

#include <cstdlib>
#include <string>

#include "ledger/receipt.hpp"

namespace {

// The genesis of the corpus' receipt (its founder "zurich" has the key of seed SHA-256("zurich")).
constexpr const char* kGenesis = R"({
  "created_ms": 1800000000000,
  "founders": [
    {
      "endpoints": [
        "zurich.example:7420"
      ],
      "key": "c4dcb2eec3b0a1022139509bb7b75bd6e1ef8942b11b325f3159e3e68e430faf",
      "name": "zurich",
      "region": "eu",
      "witness_only": false
    }
  ],
  "nonce": "63cbe1e459320dd7044c3cd7f43c661ce6984080bab12a02953aeb70673e29cb",
  "policy": {
    "approvals": 0,
    "regions": [],
    "skew_ms": 30000
  },
  "rules": 1,
  "sealift_genesis": 1
}
)";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace ledger = sealift::ledger;
  static const auto genesis = ledger::parse_genesis(sealift::as_bytes(kGenesis));
  if (!genesis) std::abort();
  const auto facts = ledger::verify_receipt(*genesis, {data, size});
  if (facts && (facts->from.text() != "zurich" || facts->to.text() != "bern" || facts->epoch.value != 1))
    std::abort();
  return 0;
}
