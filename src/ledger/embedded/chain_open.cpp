// Opening a chain: the whole file is checked again, and what does not hold is named by its height.
#include <limits>

#include "ledger/embedded/chain_inner.hpp"
#include "ledger/membership.hpp"

namespace sealift::ledger {

Status Chain::Inner::load() {
  promise = SEALIFT_TRY(store.promise());
  voted = SEALIFT_TRY(store.voted());
  SEALIFT_TRY_STATUS(load_headers());
  SEALIFT_TRY_STATUS(load_sets());
  SEALIFT_TRY_STATUS(load_state());
  SEALIFT_TRY_STATUS(load_votes());
  SEALIFT_TRY_STATUS(check_kept());
  SEALIFT_TRY_STATUS(replay());
  if (voted && voted->size <= height() && log.root(voted->size) != voted->root) {
    return fail(Code::kCorrupt,
                "the ledger's file was rewritten: this host cosigned {} for the log up to block {}, the file "
                "gives {}",
                voted->root.hex(), voted->size, log.root(voted->size).hex());
  }
  if (voted && voted->size > height()) {
    return fail(Code::kCorrupt,
                "the ledger's file is older than what this host cosigned: it ends with block {}, {} was "
                "cosigned. A state directory is never restored from a backup",
                height(), voted->size);
  }
  advance();
  return {};
}

Status Chain::Inner::load_headers() {
  headers = SEALIFT_TRY(store.headers());
  crypto::Digest previous = store.genesis().id().digest;
  for (const BlockHeader& header : headers) {
    if (header.previous != previous) {
      return fail(Code::kCorrupt,
                  "the ledger's file was altered: block {} follows {}, but the block before it is {}",
                  header.height, header.previous.hex(), previous.hex());
    }
    SEALIFT_TRY(store.block(header.height));  // its records against its header
    previous = header.hash();
    log.append(header.leaf_hash());
  }
  return {};
}

Status Chain::Inner::load_sets() {
  sets[1] = first_set(store.genesis());
  const auto changes = SEALIFT_TRY(store.changes());
  for (const RecordPlace& place : changes) {
    const Block block = SEALIFT_TRY(store.block(place.height));
    if (place.index >= block.records.size())
      return fail(Code::kCorrupt, "block {}: the noted membership change is not there", place.height);
    auto record = parse_record(block.records[place.index]);
    if (!record) return fail(Code::kCorrupt, "block {}: {}", place.height, record.error().message);
    auto next = next_set(sets.rbegin()->second, record->body);
    if (!next) return fail(Code::kCorrupt, "block {}: {}", place.height, next.error().message);
    sets[place.height + 1] = std::move(*next);
    last_change = place.height;
  }
  for (const BlockHeader& header : headers) {
    if (header.members != set_for(header.height).digest())
      return fail(Code::kCorrupt, "block {} names other members than those that count for it", header.height);
  }
  return {};
}

Status Chain::Inner::load_state() {
  auto stored = SEALIFT_TRY(store.state());
  if (!stored) {
    states.push_back(std::make_shared<const State>(State::from_genesis(store.genesis())));
    return {};
  }
  if (stored->height > height())
    return fail(Code::kCorrupt, "block {} is missing: a state after it was kept", stored->height);
  const std::size_t number = stored->pairs.size();
  auto state = State::from_pairs(std::move(stored->pairs));
  const bool same = state && stored->height > 0 && state->root() == headers[stored->height - 1].state_root;
  if (!same || state->size() != number)
    return fail(Code::kCorrupt, "the kept state after block {} is damaged or was altered", stored->height);
  final = kept_height = stored->height;
  kept = std::make_shared<const State>(std::move(*state));
  states.push_back(kept);
  return {};
}

Status Chain::Inner::load_votes() {
  const std::uint64_t from = std::max<std::uint64_t>(final, 1);
  const auto keys = known_keys(from);
  const auto heads = SEALIFT_TRY(store.heads(from, std::numeric_limits<std::int64_t>::max()));
  for (const StoredHead& stored : heads) {
    if (stored.head.size > height() || log.root(stored.head.size) != stored.head.root) {
      return fail(
          Code::kCorrupt,
          "the ledger's file was rewritten at or before block {}: a signed checkpoint names the root {}",
          stored.head.size, stored.head.root.hex());
    }
    if (stored.signatures.empty()) continue;  // says nothing
    const auto parsed = SEALIFT_TRY(parse_signed_head(as_bytes(stored.note())));
    if (const Status status = take_votes(parsed, keys); !status)
      return fail(Code::kCorrupt, "checkpoint of block {}: {}", stored.head.size, status.error().message);
  }
  return {};
}

// A quorum's signatures must cover the kept state. They may be gone for one good reason: some of them stood
// on blocks that a new term left out. Then nothing kept is trusted, and all is counted again from the
// genesis.
Status Chain::Inner::check_kept() {
  if (final == 0 || votes.covered(final, set_for(final))) return {};
  const bool replaced = SEALIFT_TRY(store.any_replaced());
  if (!replaced)
    return fail(Code::kCorrupt, "block {} was final, but the signatures that made it so are gone", final);
  final = kept_height = 0;
  kept.reset();
  states = {std::make_shared<const State>(State::from_genesis(store.genesis()))};
  votes = Votes();
  return load_votes();
}

Status Chain::Inner::replay() {
  for (std::uint64_t at = final + 1; at <= height(); ++at) {
    const Block block = SEALIFT_TRY(store.block(at));
    ChainEnd before;
    before.height = at - 1;
    before.hash = at == 1 ? store.genesis().id().digest : headers[at - 2].hash();
    before.time_ms = at == 1 ? 0 : headers[at - 2].time_ms;
    auto executed = execute(before, *states.back(), block);
    if (!executed && executed.error().code == Code::kUnsupported) return std::unexpected(executed.error());
    if (!executed) return fail(Code::kCorrupt, "the ledger's file was altered: {}", executed.error().message);
    if (executed->change.has_value() != (sets.contains(at + 1)))
      return fail(Code::kCorrupt, "block {}: the noted membership changes are not those of its records", at);
    states.push_back(std::make_shared<const State>(std::move(executed->state)));
  }
  return {};
}

Result<std::unique_ptr<Chain>> Chain::open(Store store, Self self, const Clock& clock) {
  auto inner = std::make_unique<Inner>(std::move(store), std::move(self), clock);
  SEALIFT_TRY_STATUS(inner->load());
  return std::unique_ptr<Chain>(new Chain(std::move(inner)));
}

}  // namespace sealift::ledger
