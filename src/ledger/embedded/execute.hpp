#pragma once

// A block made of records, and a block checked against the chain's end: pure, without store or clock
// (internal to the module). Both run the same rules, so that what one host makes every other one can follow.

#include "ledger/block.hpp"
#include "ledger/rules.hpp"

namespace sealift::ledger {

struct ChainEnd {
  std::uint64_t height = 0;
  std::uint64_t time_ms = 0;
  crypto::Digest hash;  // of the last header; no block yet: the domain's id
};

struct Executed {
  State state;
  std::optional<std::size_t> change;  // the record that changes who counts: the last one, if any
};
// Everything but clocks and finality. Errors name the height.
Result<Executed> execute(const ChainEnd& end, const State& state, const Block& block);

struct Tried {
  enum class Kind { kIncluded, kRefused, kDeferred };
  Kind kind = Kind::kDeferred;
  std::string reason;
};
struct Built {
  std::optional<Block> block;
  std::optional<Executed> executed;
  std::vector<Tried> tried;  // one per record
};
// kUnsupported when the next block's rules are newer than this build.
Result<Built> build(const ChainEnd& end, const State& state, const std::vector<Bytes>& records,
                    std::uint64_t time_ms);

}  // namespace sealift::ledger
