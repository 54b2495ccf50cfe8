#pragma once

// The fields of every record (internal to the module): the predicate without "domain", which all have.

#include "ledger/fields.hpp"

namespace sealift::ledger {

template <class F>
void fields(F& f, Maybe<F, HostJoin>& v) {
  f("number", v.number), f("host", v.host), f("old_log", v.old_log, Limit{16 * 1024});
}
template <class F>
void fields(F& f, Maybe<F, HostLeave>& v) {
  f("number", v.number), f("host", v.host);
}
template <class F>
void fields(F& f, Maybe<F, HostExpel>& v) {
  f("number", v.number), f("host", v.host), f("reason", v.reason);
}
template <class F>
void fields(F& f, Maybe<F, HostUpdate>& v) {
  f("number", v.number), f("host", v.host), f("endpoints", v.endpoints), f("next_key", v.next_key);
}
template <class F>
void fields(F& f, Maybe<F, RulesActivate>& v) {
  f("number", v.number), f("version", v.version), f("from_height", v.from_height);
}
template <class F>
void fields(F& f, Maybe<F, DomainServe>& v) {
  f("term", v.term), f("server", v.server);
}
template <class F>
void fields(F& f, Maybe<F, VmRegister>& v) {
  f("vm", v.vm), f("epoch", v.epoch), f("number", v.number), f("owner", v.owner);
  f("definition", v.definition);
}
template <class F>
void fields(F& f, Maybe<F, VmRetire>& v) {
  f("vm", v.vm), f("epoch", v.epoch), f("number", v.number), f("reason", v.reason);
}
template <class F>
void fields(F& f, Maybe<F, VmRest>& v) {
  f("vm", v.vm), f("epoch", v.epoch), f("number", v.number), f("root", v.root), f("reason", v.reason);
}
template <class F>
void fields(F& f, Maybe<F, VmStart>& v) {
  f("vm", v.vm), f("epoch", v.epoch), f("number", v.number), f("checked", v.checked), f("reason", v.reason);
}
template <class F>
void fields(F& f, Maybe<F, VmRecover>& v) {
  f("number", v.number), f("vm", v.vm), f("epoch", v.epoch), f("lost", v.lost), f("owner", v.owner);
  f("fence", v.fence), f("root", v.root), f("accepted", v.accepted);
}
template <class F>
void fields(F& f, Maybe<F, MoveOffer>& v) {
  f("vm", v.vm), f("epoch", v.epoch), f("number", v.number), f("from", v.from), f("to", v.to);
  f("mode", v.mode), f("disks", v.disks), f("deadline_ms", v.deadline_ms);
}
template <class F>
void fields(F& f, Maybe<F, MoveStamp>& v) {
  f("vm", v.vm), f("epoch", v.epoch), f("number", v.number), f("move", v.move);
}
template <class F>
void stamp_fields(F& f, Maybe<F, MoveStamp>& v) {
  fields(f, v);
}
template <class F>
void fields(F& f, Maybe<F, MoveAccept>& v) {
  stamp_fields<F>(f, v);
}
template <class F>
void fields(F& f, Maybe<F, MoveCommit>& v) {
  stamp_fields<F>(f, v), f("seal", v.seal, Limit{2 * kSealBytesMax});
}
template <class F>
void fields(F& f, Maybe<F, MoveAbort>& v) {
  stamp_fields<F>(f, v), f("reason", v.reason);
}
template <class F>
void fields(F& f, Maybe<F, MoveStarted>& v) {
  stamp_fields<F>(f, v), f("how", v.how);
}
template <class F>
void fields(F& f, Maybe<F, MoveReturn>& v) {
  stamp_fields<F>(f, v), f("reason", v.reason);
}
template <class F>
void fields(F& f, Maybe<F, MoveClosed>& v) {
  stamp_fields<F>(f, v), f("how", v.how);
}

}  // namespace sealift::ledger
