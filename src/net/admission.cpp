#include "net/admission.hpp"

namespace sealift::net {

namespace {

template <class Key>
void give_back(std::map<Key, std::size_t>& counts, const Key& key) {
  const auto found = counts.find(key);
  if (--found->second == 0) counts.erase(found);
}

}  // namespace

std::unique_ptr<Admission::Ticket> Admission::enter(std::string source) {
  auto state = state_.lock();
  if (state->connections >= limits_.connections_max || state->unauthenticated >= limits_.unauthenticated_max)
    return nullptr;
  const auto found = state->by_source.find(source);
  if (found != state->by_source.end() && found->second >= limits_.unauthenticated_per_source) return nullptr;
  ++state->by_source[source];
  ++state->unauthenticated;
  ++state->connections;
  return std::make_unique<Ticket>(*this, std::move(source));
}

bool Admission::Ticket::authenticated(const std::optional<crypto::PublicKey>& peer) {
  if (known_) return true;
  auto state = admission_.state_.lock();
  if (peer) {
    const auto found = state->by_peer.find(*peer);
    if (found != state->by_peer.end() && found->second >= admission_.limits_.connections_per_peer)
      return false;
    ++state->by_peer[*peer];
    peer_ = peer;
  }
  known_ = true;
  --state->unauthenticated;
  give_back(state->by_source, source_);
  return true;
}

Admission::Ticket::~Ticket() {
  auto state = admission_.state_.lock();
  if (!known_) {
    --state->unauthenticated;
    give_back(state->by_source, source_);
  }
  if (peer_) give_back(state->by_peer, *peer_);
  --state->connections;
}

std::size_t Admission::connections() const {
  return state_.lock()->connections;
}

}  // namespace sealift::net
