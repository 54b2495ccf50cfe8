#pragma once

// What records say: one struct per kind (design: the table of records). record.hpp has the envelope around
// them.
//
// Numbers. A VM's record carries a number above its signer's last one for that VM. A record of the domain
// (membership, rules, vm.recover) carries exactly State::changes() + 1, so that an approval never outlives
// what it approved.

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ledger/seal.hpp"

namespace sealift::ledger {

constexpr std::size_t kTextBytesMax = 1024;  // every free text: reasons, fences, regions
constexpr std::size_t kEndpointsMax = 8;
constexpr std::size_t kDisksMax = 64;

// A host as the ledger knows it.
struct HostInfo {
  HostName name;
  crypto::PublicKey key;
  std::vector<std::string> endpoints;  // "host:port", at most 8
  std::string region;                  // free text, compared with the policy's list
  bool witness_only = false;           // holds no VM
  bool operator==(const HostInfo&) const = default;
};

struct HostJoin {
  std::uint64_t number = 0;
  HostInfo host;
  std::string old_log;  // last checkpoint of the log that it had alone; may be empty
};
struct HostLeave {  // also signed by the host itself
  std::uint64_t number = 0;
  HostName host;
};
struct HostExpel {
  std::uint64_t number = 0;
  HostName host;
  std::string reason;
};
struct HostUpdate {  // number: above this host's last update
  std::uint64_t number = 0;
  HostName host;
  std::vector<std::string> endpoints;
  std::optional<crypto::PublicKey> next_key;  // rotation: a membership change; signed by both keys
};
struct RulesActivate {
  std::uint64_t number = 0;
  std::uint32_t version = 0;
  std::uint64_t from_height = 0;
};
struct DomainServe {  // the signatures are the promises of a quorum
  std::uint64_t term = 0;
  HostName server;
};

struct VmRegister {
  VmId vm;
  Epoch epoch;  // 0
  std::uint64_t number = 0;
  HostName owner;
  crypto::Digest definition;
};
struct VmRetire {
  VmId vm;
  Epoch epoch;
  std::uint64_t number = 0;
  std::string reason;
};
struct VmRest {
  VmId vm;
  Epoch epoch;
  std::uint64_t number = 0;
  crypto::Digest root;  // disks_root() of its disks
  std::string reason;   // set when changes are accepted on purpose
};
struct VmStart {
  VmId vm;
  Epoch epoch;
  std::uint64_t number = 0;
  std::optional<crypto::Digest> checked;  // the rest root that the disks matched; none: unverified
  std::string reason;                     // --offline REASON
};
struct VmRecover {  // number: the domain's
  std::uint64_t number = 0;
  VmId vm;
  Epoch epoch;
  HostName lost;
  HostName owner;
  std::string fence;                   // how the lost host is known not to run it
  std::optional<crypto::Digest> root;  // disks_root() of the copy that the new owner starts from
  std::string accepted{};  // why that copy is taken although the ledger recorded another root, or none
};

enum class MoveMode { kCold, kLive };
struct OfferedDisk {
  std::string name;
  std::string format;
  std::uint64_t bytes = 0;
  bool operator==(const OfferedDisk&) const = default;
};
struct MoveOffer {
  VmId vm;
  Epoch epoch;  // the VM's highest used epoch + 1
  std::uint64_t number = 0;
  HostName from;
  HostName to;
  MoveMode mode = MoveMode::kLive;
  std::vector<OfferedDisk> disks;
  std::uint64_t deadline_ms = 0;  // block time, POSIX milliseconds
};

// What all the later records of a move say.
struct MoveStamp {
  VmId vm;
  Epoch epoch;  // the move's; move.return: the move's + 1
  std::uint64_t number = 0;
  MoveId move;
};
struct MoveAccept : MoveStamp {};
struct MoveCommit : MoveStamp {
  Bytes seal;  // the source's exact envelope
};
struct MoveAbort : MoveStamp {
  std::string reason;
};
struct MoveStarted : MoveStamp {
  std::string how;  // "running", "from its disks", "powered off"
};
struct MoveReturn : MoveStamp {
  std::string reason;
};
struct MoveClosed : MoveStamp {
  std::string how;  // "quarantined", "erased"
};

using Body = std::variant<HostJoin, HostLeave, HostExpel, HostUpdate, RulesActivate, DomainServe, VmRegister,
                          VmRetire, VmRest, VmStart, VmRecover, MoveOffer, MoveAccept, MoveCommit, MoveAbort,
                          MoveStarted, MoveReturn, MoveClosed>;
std::string_view kind_name(const Body& body);  // "move.offer"
std::optional<VmId> vm_of(const Body& body);
std::optional<MoveId> move_of(const Body& body);  // not for the offer: its record's id is the move's

}  // namespace sealift::ledger
