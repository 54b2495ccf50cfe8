#pragma once

// For this module's tests: hosts with fixed keys, a domain of them, records in one line each, and states made
// by the real rules.

#include <gtest/gtest.h>

#include <map>

#include "base/json.hpp"
#include "ledger/embedded/chain.hpp"
#include "ledger/record.hpp"
#include "ledger/rules.hpp"

namespace sealift::ledger::testing {

inline crypto::Identity identity_of(std::string_view name) {
  return *crypto::Identity::from_seed(crypto::sha256(as_bytes(name)).view());
}
inline HostName host(std::string_view name) {
  return *HostName::parse(name);
}
inline HostInfo info_of(std::string_view name, bool witness_only = false, std::string region = "eu") {
  return {host(name),
          identity_of(name).public_key(),
          {std::string(name) + ".example:7420"},
          std::move(region),
          witness_only};
}
inline crypto::Digest digest_of(std::string_view text) {
  return crypto::sha256(as_bytes(text));
}
inline VmId vm_id(int number = 1) {
  return *VmId::parse(fmt::format("00000000-0000-4000-8000-{:012x}", number));
}
inline WallTime at_ms(std::uint64_t ms) {
  return WallTime{std::chrono::milliseconds{static_cast<std::int64_t>(ms)}};
}
constexpr std::uint64_t kStartMs = 1'800'000'000'000;

inline Genesis genesis_of(std::string_view founder, const Policy& policy = {}) {
  SeededRandom random(7);
  return make_genesis(info_of(founder), policy, at_ms(kStartMs), random);
}

inline std::vector<SealPart> parts_of(std::string_view content = "content", bool memory = true) {
  std::vector<SealPart> parts = {{"definition", "sha256", 100, digest_of("definition 2")},
                                 {"disk/vda", "blake3-leaves-256k", 1 << 20, digest_of(content)}};
  if (memory) parts.push_back({"memory/0", "transcript-sha256", 5000, digest_of("memory")});
  return parts;
}

// A state that grows by applying records; the numbers of VM records count up by themselves.
struct World {
  Genesis genesis;
  State state;
  BlockContext block{1, kStartMs + 1000, 1};
  std::uint64_t number = 0;

  explicit World(const Policy& policy = {})
      : genesis(genesis_of("zurich", policy)), state(State::from_genesis(genesis)) {}

  Bytes signed_record(const Body& body, const std::vector<std::string>& signers) const {
    Bytes bytes = make_record(genesis.id(), body, identity_of(signers.front()));
    for (std::size_t i = 1; i < signers.size(); ++i) bytes = *approve(bytes, identity_of(signers[i]));
    return bytes;
  }
  Result<RecordId> submit(ByteView bytes) {
    Record record = SEALIFT_TRY(parse_record(bytes));
    const RecordId id = record.id;
    const VerifiedRecord verified = SEALIFT_TRY(verify_record(std::move(record), state));
    state = SEALIFT_TRY(apply(state, verified, block));
    ++block.height;
    return id;
  }
  Result<RecordId> say(const Body& body, const std::vector<std::string>& signers) {
    return submit(signed_record(body, signers));
  }
  std::uint64_t change() const { return state.changes() + 1; }

  void join(std::string_view name, const std::vector<std::string>& signers, bool witness_only = false) {
    const auto id = say(HostJoin{change(), info_of(name, witness_only), {}}, signers);
    ASSERT_TRUE(id) << id.error().message;
  }
  // zurich, bern (hosts), genf (a witness): the recommended smallest domain.
  void three() {
    join("bern", {"zurich"});
    join("genf", {"zurich", "bern"}, true);
  }
  void register_vm(int which = 1, std::string_view owner = "zurich") {
    const auto id = say(VmRegister{vm_id(which), {0}, ++number, host(owner), digest_of("definition")},
                        {std::string(owner)});
    ASSERT_TRUE(id) << id.error().message;
  }

  MoveOffer offer(std::string_view from = "zurich", std::string_view to = "bern",
                  MoveMode mode = MoveMode::kLive) {
    const auto vm = state.vm(vm_id());
    return {vm_id(),
            {(vm ? vm->epoch_used.value : 0) + 1},
            ++number,
            host(from),
            host(to),
            mode,
            {{"vda", "qcow2", 1 << 20}},
            block.time_ms + 60'000};
  }
  Move last() const { return *state.last_move(vm_id()); }
  MoveStamp stamp(std::uint64_t epoch_more = 0) {
    const Move move = last();
    return {vm_id(), {move.epoch.value + epoch_more}, ++number, move.id};
  }
  Seal seal(const std::vector<SealPart>& parts) const {
    const Move move = last();
    return {genesis.id(), move.id, move.vm, move.from, move.to, move.epoch, parts};
  }
  MoveCommit commit() { return commit(parts_of("content", last().mode == MoveMode::kLive)); }
  MoveCommit commit(const std::vector<SealPart>& parts) {
    return {stamp(), make_seal(seal(parts), identity_of(last().from.text()))};
  }

  // The VM's life up to a status of its only move.
  void advance_to(MoveStatus status, MoveMode mode = MoveMode::kLive) {
    const auto must = [](const Result<RecordId>& id) { ASSERT_TRUE(id) << id.error().message; };
    must(say(offer("zurich", "bern", mode), {"zurich"}));
    if (status == MoveStatus::kOffered) return;
    if (status == MoveStatus::kAborted) return must(say(MoveAbort{stamp(), "test"}, {"zurich"}));
    must(say(MoveAccept{stamp()}, {"bern"}));
    if (status == MoveStatus::kAccepted) return;
    must(say(commit(), {"bern"}));
    if (status == MoveStatus::kStarted) must(say(MoveStarted{stamp(), "running"}, {"bern"}));
    if (status == MoveStatus::kReturned) must(say(MoveReturn{stamp(1), "test"}, {"bern"}));
    if (status == MoveStatus::kRecovered) {
      must(say(VmRecover{change(), vm_id(), {2}, host("bern"), host("zurich"), "powered off", {}},
               {"zurich", "genf"}));
    }
  }
};

}  // namespace sealift::ledger::testing
