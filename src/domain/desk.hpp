#pragma once

// Desk: what a node keeps beside the chain, in domain.db. None of it decides ownership: losing the file loses
// open invitations and half-signed proposals, and evidence.
//
//   invitation  outstanding ones of this member, with their secrets, and which key used each
//   proposal    envelopes that wait for signatures (the server's), by the SHA-256 of their payload
//   fact        small texts by name: where the server was seen, why this node halted, recoveries of its VMs

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/database.hpp"
#include "base/guarded.hpp"
#include "crypto/identity.hpp"
#include "domain/invitation.hpp"
#include "domain/messages.hpp"

namespace sealift::domain {

constexpr std::size_t kInvitationsMax = 64;

class Desk {
 public:
  static Result<std::unique_ptr<Desk>> open(const file::Path& path);
  static Result<std::unique_ptr<Desk>> open_in_memory();

  struct Ticket {  // an invitation as its maker keeps it
    std::string id;
    crypto::Secret secret;
    WallTime expires{};
    std::optional<crypto::PublicKey> used_by;
  };
  Status add_ticket(const Ticket& ticket,
                    WallTime now);  // kExhausted: too many outstanding; drops expired ones
  Result<std::optional<Ticket>> ticket(std::string_view id);
  Status use_ticket(std::string_view id, const crypto::PublicKey& by);
  Result<bool> any_ticket(WallTime now);  // that has not expired

  Result<std::vector<ProposalEntry>> proposals();
  Status put_proposal(const crypto::Digest& id, const ProposalEntry& entry);
  Status drop_proposal(const crypto::Digest& id);

  Status put_fact(std::string_view name, std::string_view value);
  Result<std::optional<std::string>> fact(std::string_view name);

 private:
  explicit Desk(Database database) : database_(std::move(database)) {}
  Guarded<Database> database_;
};

}  // namespace sealift::domain
