#pragma once

// Replica: one domain's ledger on this host, whichever role it has: chain, desk, identity, and whether it has
// halted. Server and Follower both work on it. No sockets, no threads.

#include <memory>
#include <optional>
#include <string>

#include "base/guarded.hpp"
#include "domain/desk.hpp"
#include "domain/node.hpp"
#include "ledger/embedded/chain.hpp"

namespace sealift::domain {

class Replica {
 public:
  // A halt that was kept, or a fork that the chain kept, holds after a restart too.
  static Result<std::unique_ptr<Replica>> make(std::unique_ptr<ledger::Chain> chain,
                                               std::unique_ptr<Desk> desk, const crypto::Identity& identity,
                                               const Clock& clock);

  ledger::Chain& chain() const { return *chain_; }
  Desk& desk() const { return *desk_; }
  const crypto::Identity& identity() const { return identity_; }
  const ledger::HostName& self() const { return chain_->self(); }
  const ledger::DomainId& domain() const { return domain_; }
  const Clock& clock() const { return clock_; }

  bool alone() const;
  // The key's name, if it counts by the final state; kUnauthorized.
  Result<ledger::HostName> member(const crypto::PublicKey& key) const;
  // A key that some member had, and that no member has now.
  std::optional<ledger::HostName> former_member(const crypto::PublicKey& key) const;
  bool removed() const;  // this host itself was a member, by its own final state, and is none now
  // The block that took that host out last; kNotFound.
  Result<std::uint64_t> removed_height(const ledger::HostName& host) const;

  // Chain::add_signatures for a checkpoint that another host brings. Halts on a fork.
  Result<std::uint64_t> take_signatures(const std::string& note);
  // Chain::cosign, likewise.
  Status cosign(const std::string& note);
  Bytes answer(ByteView nonce) const;
  // "block 12 waits for the cosignature of bern, wien"; empty when all is final.
  std::string waiting_for() const;

  // Halted: signs nothing more, whatever happens. Kept on disk.
  std::optional<Evidence> evidence() const;
  Status check_halted() const;  // kCorrupt, in words
  void halt(Evidence evidence);
  // After a kCorrupt from the chain: halts if the chain holds a fork. Returns the error unchanged.
  Error halt_on_fork(Error error);

 private:
  Replica(std::unique_ptr<ledger::Chain> chain, std::unique_ptr<Desk> desk, const crypto::Identity& identity,
          const Clock& clock);
  Status load_evidence();

  std::unique_ptr<ledger::Chain> chain_;
  std::unique_ptr<Desk> desk_;
  crypto::Identity identity_;
  const Clock& clock_;
  ledger::DomainId domain_;
  mutable Guarded<std::optional<Evidence>> evidence_;
};

// Evidence as text, for the desk. parse: kInvalid.
std::string encode_evidence(const Evidence& evidence);
Result<Evidence> parse_evidence(std::string_view text);

}  // namespace sealift::domain
