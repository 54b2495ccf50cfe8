#include "ledger/embedded/chain.hpp"

#include <algorithm>

#include "ledger/embedded/chain_inner.hpp"

namespace sealift::ledger {

namespace {
using Guard = std::lock_guard<std::mutex>;
}

ChainEnd Chain::Inner::end() const {
  if (headers.empty()) return {0, 0, store.genesis().id().digest};
  return {headers.back().height, headers.back().time_ms, headers.back().hash()};
}

const MemberSet& Chain::Inner::set_for(std::uint64_t height) const {
  return std::prev(sets.upper_bound(height))->second;
}

std::vector<crypto::NamedKey> Chain::Inner::known_keys(std::uint64_t from_height) const {
  std::vector<crypto::NamedKey> keys;
  for (auto set = std::prev(sets.upper_bound(from_height)); set != sets.end(); ++set)
    keys.insert(keys.end(), set->second.members.begin(), set->second.members.end());
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

Chain::Chain(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}
Chain::~Chain() = default;

const Genesis& Chain::genesis() const {
  return inner_->store.genesis();
}
const HostName& Chain::self() const {
  return inner_->self.name;
}
std::uint64_t Chain::height() const {
  Guard guard(inner_->mutex);
  return inner_->height();
}
crypto::Digest Chain::tip_hash() const {
  Guard guard(inner_->mutex);
  return inner_->end().hash;
}
std::uint64_t Chain::final_height() const {
  Guard guard(inner_->mutex);
  return inner_->final;
}
std::shared_ptr<const State> Chain::state() const {
  Guard guard(inner_->mutex);
  return inner_->tip();
}
std::shared_ptr<const State> Chain::final_state() const {
  Guard guard(inner_->mutex);
  return inner_->states.front();
}
MemberSet Chain::members_for_next() const {
  Guard guard(inner_->mutex);
  return inner_->tip()->member_set();
}
bool Chain::serving() const {
  Guard guard(inner_->mutex);
  return inner_->tip()->serving().server == inner_->self.name;
}
Promise Chain::promised() const {
  Guard guard(inner_->mutex);
  return inner_->promise;
}

std::vector<HostName> Chain::waiting_for() const {
  Guard guard(inner_->mutex);
  if (inner_->final == inner_->height()) return {};
  return inner_->votes.missing(inner_->final + 1, inner_->set_for(inner_->final + 1));
}

Result<RecordStatus> Chain::status(const RecordId& id) {
  Guard guard(inner_->mutex);
  RecordStatus status;
  const auto place = SEALIFT_TRY(inner_->store.place(id));
  if (place) {
    status.height = place->height;
    status.time = inner_->headers.at(place->height - 1).time();
    status.kind = place->height <= inner_->final ? RecordStatus::Kind::kFinal : RecordStatus::Kind::kPending;
    return status;
  }
  auto reason = SEALIFT_TRY(inner_->store.refusal(id));
  if (reason) {
    status.kind = RecordStatus::Kind::kRefused;
    status.reason = std::move(*reason);
  }
  return status;
}

Result<RecordStatus> Chain::wait(const RecordId& id, Deadline deadline, const Stop& stop) {
  Bell::Ear ear(inner_->bell);
  for (;;) {
    RecordStatus now = SEALIFT_TRY(status(id));
    if (now.kind == RecordStatus::Kind::kFinal || now.kind == RecordStatus::Kind::kRefused) return now;
    SEALIFT_TRY_STATUS(ear.wait(deadline, stop));
  }
}

Result<std::uint64_t> Chain::wait_beyond(std::uint64_t height, Deadline deadline, const Stop& stop) {
  Bell::Ear ear(inner_->bell);
  for (;;) {
    if (const std::uint64_t now = final_height(); now > height) return now;
    SEALIFT_TRY_STATUS(ear.wait(deadline, stop));
  }
}

Result<std::vector<ForkEvidence>> Chain::forks() {
  Guard guard(inner_->mutex);
  return inner_->store.forks();
}

Result<std::vector<LogEntry>> Chain::log(std::uint64_t from_height, std::size_t count_max) {
  Guard guard(inner_->mutex);
  std::vector<LogEntry> entries;
  for (std::uint64_t at = std::max<std::uint64_t>(from_height, 1); at <= inner_->height(); ++at) {
    Block block = SEALIFT_TRY(inner_->store.block(at));
    for (Bytes& record : block.records) {
      if (entries.size() == count_max) return entries;
      const RecordId id = record_id(record);
      entries.push_back({at, block.header.time(), id, std::move(record), at <= inner_->final});
    }
  }
  return entries;
}

Result<RecordPlace> Chain::place(const RecordId& id) {
  Guard guard(inner_->mutex);
  const auto found = SEALIFT_TRY(inner_->store.place(id));
  if (!found) return fail(Code::kNotFound, "record {} is in no block", id.hex());
  return *found;
}

Result<Block> Chain::block(std::uint64_t height) {
  Guard guard(inner_->mutex);
  return inner_->store.block(height);
}

Result<Bytes> Chain::quorum_checkpoint(std::uint64_t height, const MemberSet& set) {
  Guard guard(inner_->mutex);
  constexpr std::uint64_t kAtOnce = 16;
  for (std::uint64_t from = height; from <= inner_->height(); from += kAtOnce) {
    const auto heads = SEALIFT_TRY(inner_->store.heads(from, from + kAtOnce - 1));
    for (const StoredHead& stored : heads) {
      if (stored.signatures.empty()) continue;
      Bytes note = to_bytes(stored.note());
      const auto parsed = SEALIFT_TRY(parse_signed_head(note));
      const auto names = SEALIFT_TRY(cosigners(parsed, set));
      if (names.size() >= set.quorum()) return note;
    }
  }
  return fail(Code::kUnavailable, "block {} is not covered by one checkpoint that a quorum cosigned yet",
              height);
}

Result<Bytes> Chain::final_checkpoint(std::uint64_t height) {
  MemberSet set;
  {
    Guard guard(inner_->mutex);
    if (height == 0 || height > inner_->height())
      return fail(Code::kNotFound, "there is no block {}", height);
    set = inner_->set_for(height);
  }
  return quorum_checkpoint(height, set);
}

Result<crypto::MerkleProof> Chain::log_proof(std::uint64_t height, std::uint64_t size) {
  Guard guard(inner_->mutex);
  return inner_->log.inclusion(height - 1, size);
}

Result<std::vector<RecordPlace>> Chain::membership_changes(std::uint64_t below_height) {
  Guard guard(inner_->mutex);
  auto places = SEALIFT_TRY(inner_->store.changes());
  std::erase_if(places, [&](const RecordPlace& place) { return place.height >= below_height; });
  return places;
}

Result<Bytes> Chain::receipt(const MoveId& move) {
  const auto state = final_state();
  return make_receipt(genesis(), *state, move, *this);
}

}  // namespace sealift::ledger
