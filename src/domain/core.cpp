#include "domain/core.hpp"

#include "base/log.hpp"

namespace sealift::domain {
namespace {

constexpr Milliseconds kCompareWait{5'000};

Result<ledger::Store> open_store(const file::Path& path, const ledger::Genesis& genesis) {
  return ledger::Store::create(path, genesis);  // opens one that is there, if it is this domain's
}

// The identity must be the one that the ledger knows under our name, if it knows either.
Status check_identity(const ledger::State& state, const ledger::HostName& self,
                      const crypto::PublicKey& key) {
  if (const auto holder = state.key_holder(key); holder && *holder != self) {
    return fail(Code::kConflict,
                "this host's key is {}'s in the ledger, but the host is called {}: use its old name",
                holder->text(), self.text());
  }
  if (const auto member = state.member(self); member && member->info.key != key) {
    return fail(Code::kConflict,
                "{} has another key in the ledger than host.key here: is this its state directory?",
                self.text());
  }
  return {};
}

}  // namespace

Core::Core(std::unique_ptr<Replica> replica, Options options)
    : options_(std::move(options)),
      replica_(std::move(replica)),
      server_(std::make_unique<Server>(*replica_)),
      follow_(std::make_unique<FollowLoop>(*replica_, options_.follow)) {}

Core::~Core() {
  stop();
}

Result<std::unique_ptr<Core>> Core::open(const file::Path& directory, const ledger::HostName& self,
                                         const crypto::Identity& identity, const Clock& clock,
                                         Options options) {
  const Bytes bytes = SEALIFT_TRY(file::read(directory / "genesis.json", ledger::kGenesisBytesMax));
  const ledger::Genesis genesis = SEALIFT_TRY(ledger::parse_genesis(bytes));
  ledger::Store store = SEALIFT_TRY(open_store(directory / "ledger.db", genesis));
  auto chain = SEALIFT_TRY(ledger::Chain::open(std::move(store), {self, identity.clone()}, clock));
  SEALIFT_TRY_STATUS(check_identity(*chain->final_state(), self, identity.public_key()));
  auto desk = SEALIFT_TRY(Desk::open(directory / "domain.db"));
  auto replica = SEALIFT_TRY(Replica::make(std::move(chain), std::move(desk), identity, clock));
  return std::unique_ptr<Core>(new Core(std::move(replica), std::move(options)));
}

void Core::start() {
  if (!threads_.empty() || stop_.stopped()) return;
  const Stop token = stop_.token();
  if (serving()) {
    threads_.emplace_back([this, token] { server_->run(token); });
    return;
  }
  threads_.emplace_back([this, token] { follow_->run(token); });
  if (options_.compare_every.count() > 0) threads_.emplace_back([this, token] { compare_all(token); });
}

void Core::stop() {
  stop_.stop();
  server_->close();
  threads_.clear();  // joins
}

Role Core::role() const {
  if (replica_->evidence()) return Role::kHalted;
  if (replica_->removed()) return Role::kExpelled;
  if (!serving()) return Role::kFollower;
  return replica_->alone() ? Role::kAlone : Role::kServer;
}

std::string Core::waiting_for() const {
  if (const auto evidence = replica_->evidence()) return evidence->text;
  return serving() ? server_->waiting_for() : follow_->waiting_for();
}

Status Core::check_active() const {
  SEALIFT_TRY_STATUS(replica_->check_halted());
  if (replica_->removed()) {
    return fail(Code::kRefused, "{} is no member of domain {} any more", replica_->self().text(),
                replica_->domain().hex());
  }
  return {};
}

HeadExchange Core::compare(const HeadExchange& theirs) {
  if (!theirs.note.empty()) {
    const auto taken = replica_->take_signatures(theirs.note);
    if (!taken) log_debug("ledger.head_not_taken", {{"reason", taken.error().message}});
  }
  // Who told us the other story learns the proof, too: what we hold of the very same size.
  const auto evidence = replica_->evidence();
  if (evidence && evidence->kind == Evidence::Kind::kFork && !evidence->ours_head.empty())
    return {evidence->ours_head};
  return {chain().checkpoint().value_or("")};
}

Status Core::compare_with(const ledger::HostName& member, Deadline deadline, const Stop& stop) {
  const HeadExchange ours{chain().checkpoint().value_or("")};
  const Json answer = SEALIFT_TRY(follow_->call_member(member, "ledger.head", to_json(ours), deadline, stop));
  const HeadExchange theirs = SEALIFT_TRY(parse_head_exchange(answer));
  compare(theirs);
  return replica_->check_halted();
}

void Core::compare_all(const Stop& stop) {
  while (!stop.sleep(options_.compare_every)) {
    const auto state = chain().final_state();
    for (const ledger::Member& member : state->members()) {
      const bool other = member.info.name != replica_->self() && member.info.name != state->serving().server;
      if (!other || stop.stopped() || !follow_->may_reach(member)) continue;
      const auto compared = compare_with(member.info.name, Deadline::in(kCompareWait), stop);
      if (const auto evidence = replica_->evidence()) {
        if (options_.follow.on_alarm) options_.follow.on_alarm(evidence->text);
        return;
      }
      if (!compared)
        log_debug("ledger.not_compared",
                  {{"with", member.info.name.text()}, {"reason", compared.error().message}});
    }
  }
}

}  // namespace sealift::domain
