#include "ledger/embedded/execute.hpp"

#include <algorithm>

namespace sealift::ledger {

namespace {

Status check_rules_known(const State& state, std::uint64_t height) {
  const std::uint32_t version = state.rules().at(height);
  if (version <= kRulesVersionMax) return {};
  return fail(
      Code::kUnsupported,
      "from block {} on, rules version {} counts; this sealift knows version {}: upgrade it, nothing is lost",
      height, version, kRulesVersionMax);
}

Result<State> apply_bytes(const State& state, ByteView bytes, const BlockContext& context, bool& serves) {
  Record record = SEALIFT_TRY(parse_record(bytes));
  serves = std::holds_alternative<DomainServe>(record.body);
  const VerifiedRecord verified = SEALIFT_TRY(verify_record(std::move(record), state));
  return apply(state, verified, context);
}

Status check_header(const ChainEnd& end, const State& state, const Block& block) {
  const BlockHeader& header = block.header;
  if (header.height != end.height + 1)
    return fail(Code::kInvalid, "block {} does not follow block {}", header.height, end.height);
  if (header.previous != end.hash) {
    return fail(Code::kCorrupt, "block {} follows another block {}: it names {}, here is {}", header.height,
                end.height, header.previous.hex(), end.hash.hex());
  }
  SEALIFT_TRY_STATUS(check_rules_known(state, header.height));
  if (header.rules_version != state.rules().at(header.height))
    return fail(Code::kCorrupt, "block {} names rules version {}, {} counts", header.height,
                header.rules_version, state.rules().at(header.height));
  if (header.time_ms < end.time_ms)
    return fail(Code::kCorrupt, "block {} is earlier than the one before it", header.height);
  if (header.members != state.member_set().digest())
    return fail(Code::kCorrupt, "block {} names other members than those that count", header.height);
  if (block.records.empty() || block.records.size() > kBlockRecordsMax)
    return fail(Code::kInvalid, "block {} has {} records", header.height, block.records.size());
  if (records_root(block.records) != header.records_root)
    return fail(Code::kCorrupt, "block {}: its records are not those that its header names", header.height);
  return {};
}

}  // namespace

Result<Executed> execute(const ChainEnd& end, const State& state, const Block& block) {
  SEALIFT_TRY_STATUS(check_header(end, state, block));
  const BlockHeader& header = block.header;
  const BlockContext context{header.height, header.time_ms, header.term};
  Executed executed{state, std::nullopt};
  for (std::size_t i = 0; i < block.records.size(); ++i) {
    if (executed.change)
      return fail(Code::kCorrupt, "block {}: records follow a membership change", header.height);
    bool serves = false;
    auto next = apply_bytes(executed.state, block.records[i], context, serves);
    if (!next) return because(next.error(), fmt::format("block {}, record {}", header.height, i));
    if (serves && block.records.size() != 1)
      return fail(Code::kCorrupt, "block {}: domain.serve stands alone in its block", header.height);
    if (changes_members(executed.state, *next)) executed.change = i;
    executed.state = std::move(*next);
  }
  if (header.term != executed.state.serving().term)
    return fail(Code::kCorrupt, "block {} is of term {}, term {} counts", header.height, header.term,
                executed.state.serving().term);
  if (header.state_root != executed.state.root()) {
    return fail(Code::kCorrupt, "block {}: its state root {} is not what the rules give, {}", header.height,
                header.state_root.hex(), executed.state.root().hex());
  }
  return executed;
}

Result<Built> build(const ChainEnd& end, const State& state, const std::vector<Bytes>& records,
                    std::uint64_t time_ms) {
  SEALIFT_TRY_STATUS(check_rules_known(state, end.height + 1));
  BlockContext context{end.height + 1, std::max(time_ms, end.time_ms), state.serving().term};
  Built built;
  Block block;
  Executed executed{state, std::nullopt};
  std::size_t bytes = 0;
  bool full = false;
  for (const Bytes& record : records) {
    full = full || executed.change || block.records.size() == kBlockRecordsMax ||
           bytes + record.size() > kBlockBytesMax;
    if (full) {
      built.tried.push_back({Tried::Kind::kDeferred, "the next block takes it"});
      continue;
    }
    bool serves = false;
    auto next = apply_bytes(executed.state, record, context, serves);
    if (!next) {
      built.tried.push_back({Tried::Kind::kRefused, next.error().message});
      continue;
    }
    if (changes_members(executed.state, *next)) executed.change = block.records.size();
    executed.state = std::move(*next);
    bytes += record.size();
    block.records.push_back(record);
    built.tried.push_back({Tried::Kind::kIncluded, {}});
  }
  if (block.records.empty()) return built;
  block.header = {state.rules().at(context.height),
                  context.height,
                  context.term,
                  context.time_ms,
                  end.hash,
                  state.member_set().digest(),
                  executed.state.root(),
                  records_root(block.records)};
  built.block = std::move(block);
  built.executed = std::move(executed);
  return built;
}

}  // namespace sealift::ledger
