#pragma once

// What the state's entries mean: members, VMs, moves. State (state.hpp) hands them out; the rules change
// them.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ledger/genesis.hpp"

namespace sealift::ledger {

struct Member {
  HostInfo info;
  std::uint64_t joined_height = 0;  // of the block with its join; founders: 0
  bool founder = false;
  std::uint64_t updates = 0;  // number of its last host.update
};

// Those who count for a block: in order of their names. The digest is in the block's header.
struct MemberSet {
  std::uint64_t changes = 0;
  std::vector<crypto::NamedKey> members;
  std::size_t quorum() const { return members.size() / 2 + 1; }
  const crypto::NamedKey* find(std::string_view name) const;
  crypto::Digest digest() const;  // SHA-256 of: u64 changes, u32 count, per member blob name ‖ 32 bytes key
  bool operator==(const MemberSet&) const = default;
};

enum class VmStatus { kActive, kRetired };
struct Vm {
  VmId id;
  VmStatus status = VmStatus::kActive;
  HostName owner;
  Epoch epoch;       // the owner's
  Epoch epoch_used;  // highest that was ever offered, returned or recovered: the next one is above it
  crypto::Digest definition;
  std::optional<crypto::Digest> rest_root;  // at rest, sealed
  bool verified_start = true;               // the last vm.start matched a rest root (or there was none yet)
  std::optional<MoveId> last_move;
  std::map<HostName, std::uint64_t> numbers;  // last number of each signer
};

enum class MoveStatus { kOffered, kAccepted, kCommitted, kStarted, kReturned, kAborted, kRecovered };
std::string_view to_string(MoveStatus status);

struct Move {
  MoveId id;
  VmId vm;
  Epoch epoch;  // that the destination gets by the commit
  HostName from;
  HostName to;
  MoveMode mode = MoveMode::kLive;
  std::vector<OfferedDisk> disks;
  std::uint64_t deadline_ms = 0;
  MoveStatus status = MoveStatus::kOffered;
  bool closed = false;     // by the source's move.closed; nothing is left to close after abort and return
  bool abandoned = false;  // the source was expelled before it closed: nobody waits for it
  std::optional<RecordId> accept, commit, abort, started, returned, close;
  std::optional<Seal> seal;                              // once committed
  std::optional<Epoch> return_epoch;                     // once returned
  std::optional<HostName> recovered_to;                  // ended by a vm.recover: the new owner
  std::uint64_t offered_height = 0, decided_height = 0;  // decided: commit or abort
  std::uint64_t decided_ms = 0;
  bool open() const;      // offered, accepted or committed: excludes the next offer
  bool unclosed() const;  // open, or the source still has a copy to close
};

struct RulesVersion {
  std::uint32_t version = 1;
  std::uint32_t next = 0;  // 0: none activated
  std::uint64_t next_from = 0;
  std::uint32_t at(std::uint64_t height) const { return next != 0 && height >= next_from ? next : version; }
};
struct Serving {
  std::uint64_t term = 1;
  HostName server;
};

}  // namespace sealift::ledger
