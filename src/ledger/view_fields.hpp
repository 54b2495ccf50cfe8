#pragma once

// The fields of the state's values (internal to the module).

#include "ledger/fields.hpp"

namespace sealift::ledger {

template <class F>
void fields(F& f, Maybe<F, Member>& v) {
  f("info", v.info), f("joined_height", v.joined_height), f("founder", v.founder), f("updates", v.updates);
}
template <class F>
void fields(F& f, Maybe<F, Vm>& v) {
  f("id", v.id), f("status", v.status), f("owner", v.owner), f("epoch", v.epoch);
  f("epoch_used", v.epoch_used), f("definition", v.definition), f("rest_root", v.rest_root);
  f("verified_start", v.verified_start), f("last_move", v.last_move), f("numbers", v.numbers);
}
template <class F>
void fields(F& f, Maybe<F, Move>& v) {
  f("id", v.id), f("vm", v.vm), f("epoch", v.epoch), f("from", v.from), f("to", v.to), f("mode", v.mode);
  f("disks", v.disks), f("deadline_ms", v.deadline_ms), f("status", v.status), f("closed", v.closed);
  f("abandoned", v.abandoned), f("accept", v.accept), f("commit", v.commit), f("abort", v.abort);
  f("started", v.started), f("returned", v.returned), f("close", v.close), f("seal", v.seal);
  f("return_epoch", v.return_epoch), f("recovered_to", v.recovered_to);
  f("offered_height", v.offered_height), f("decided_height", v.decided_height);
  f("decided_ms", v.decided_ms);
}
template <class F>
void fields(F& f, Maybe<F, RulesVersion>& v) {
  f("version", v.version), f("next", v.next), f("next_from", v.next_from);
}
template <class F>
void fields(F& f, Maybe<F, Serving>& v) {
  f("term", v.term), f("server", v.server);
}

// Keys of the state.
inline std::string member_key(const HostName& name) {
  return "member/" + name.text();
}
inline std::string key_key(const crypto::PublicKey& key) {
  return "key/" + key.hex();
}
inline std::string vm_key(const VmId& id) {
  return "vm/" + id.text();
}
inline std::string move_key(const MoveId& id) {
  return "move/" + id.hex();
}
constexpr const char* kChangesKey = "domain/changes";
constexpr const char* kIdKey = "domain/id";
constexpr const char* kPolicyKey = "domain/policy";
constexpr const char* kRulesKey = "domain/rules";
constexpr const char* kServeKey = "domain/serve";

template <class T>
std::string value_of(const T& view) {
  return json::dump(write_fields(view));
}

}  // namespace sealift::ledger
