#include <algorithm>

#include "base/check.hpp"
#include "ledger/state.hpp"
#include "ledger/view_fields.hpp"

namespace sealift::ledger {

namespace {

template <class T>
Result<T> decode(std::string_view value) {
  const Json whole = SEALIFT_TRY(json::parse(value, kRecordBytesMax));
  return read_fields<T>(whole);
}

// The state's values come from the rules, or were checked by from_pairs().
template <class T>
T decode_own(std::string_view value) {
  auto view = decode<T>(value);
  SEALIFT_CHECK(view.has_value());
  return std::move(*view);
}

Result<std::uint64_t> decode_number(std::string_view value) {
  const Json whole = SEALIFT_TRY(json::parse(value, 64));
  if (!whole.is_number_unsigned()) return fail(Code::kInvalid, "not a whole number");
  return whole.get<std::uint64_t>();
}

Status check_pair(std::string_view key, std::string_view value) {
  const auto status = [](const auto& result) -> Status {
    if (!result) return std::unexpected(result.error());
    return {};
  };
  if (key == kChangesKey) return status(decode_number(value));
  if (key == kIdKey) return status(DomainId::from_hex(value));
  if (key == kPolicyKey) return status(decode<Policy>(value));
  if (key == kRulesKey) return status(decode<RulesVersion>(value));
  if (key == kServeKey) return status(decode<Serving>(value));
  if (key.starts_with("member/")) return status(decode<Member>(value));
  if (key.starts_with("key/")) return status(HostName::parse(value));
  if (key.starts_with("vm/")) return status(decode<Vm>(value));
  if (key.starts_with("move/")) return status(decode<Move>(value));
  return fail(Code::kInvalid, "no such key");
}

}  // namespace

State State::from_genesis(const Genesis& genesis) {
  std::vector<Change> all;
  all.push_back({kChangesKey, "0"});
  all.push_back({kIdKey, genesis.id().hex()});
  all.push_back({kPolicyKey, value_of(genesis.policy)});
  all.push_back({kRulesKey, value_of(RulesVersion{genesis.rules_version, 0, 0})});
  all.push_back({kServeKey, value_of(Serving{1, genesis.founders.front().name})});
  for (const HostInfo& founder : genesis.founders) {
    all.push_back({member_key(founder.name), value_of(Member{founder, 0, true, 0})});
    all.push_back({key_key(founder.key), founder.name.text()});
  }
  return State().with(std::move(all));
}

Result<State> State::from_pairs(std::vector<std::pair<std::string, std::string>> pairs) {
  std::vector<Change> all;
  for (auto& [key, value] : pairs) {
    if (const Status status = check_pair(key, value); !status)
      return fail(Code::kCorrupt, "the state's entry '{}': {}", key, status.error().message);
    all.push_back({std::move(key), std::move(value)});
  }
  State state = State().with(std::move(all));
  for (const char* key : {kChangesKey, kIdKey, kPolicyKey, kRulesKey, kServeKey}) {
    if (!state.get(key)) return fail(Code::kCorrupt, "the state has no '{}'", key);
  }
  return state;
}

DomainId State::domain() const {
  return *DomainId::from_hex(*get(kIdKey));
}
Policy State::policy() const {
  return decode_own<Policy>(*get(kPolicyKey));
}
std::uint64_t State::changes() const {
  return *decode_number(*get(kChangesKey));
}
RulesVersion State::rules() const {
  return decode_own<RulesVersion>(*get(kRulesKey));
}
Serving State::serving() const {
  return decode_own<Serving>(*get(kServeKey));
}

template <class T>
std::vector<T> State::all(std::string_view prefix) const {
  std::vector<T> views;
  for (std::size_t i = position(prefix); i < entries_.size() && entries_[i]->key.starts_with(prefix); ++i)
    views.push_back(decode_own<T>(entries_[i]->value));
  return views;
}
template <class T>
std::optional<T> State::one(const std::string& key) const {
  const auto value = get(key);
  if (!value) return std::nullopt;
  return decode_own<T>(*value);
}

std::vector<Member> State::members() const {
  return all<Member>("member/");
}
std::optional<Member> State::member(const HostName& name) const {
  return one<Member>(member_key(name));
}
bool State::key_known(const crypto::PublicKey& key) const {
  return get(key_key(key)).has_value();
}
std::optional<HostName> State::key_holder(const crypto::PublicKey& key) const {
  const auto name = get(key_key(key));
  if (!name) return std::nullopt;
  const auto holder = member(*HostName::parse(*name));
  if (!holder || holder->info.key != key) return std::nullopt;  // a former member, or its former key
  return holder->info.name;
}
MemberSet State::member_set() const {
  MemberSet set;
  set.changes = changes();
  for (const Member& member : members()) set.members.push_back({member.info.name.text(), member.info.key});
  return set;
}
std::vector<Vm> State::vms() const {
  return all<Vm>("vm/");
}
std::optional<Vm> State::vm(const VmId& id) const {
  return one<Vm>(vm_key(id));
}
std::vector<Move> State::moves() const {
  return all<Move>("move/");
}
std::optional<Move> State::move(const MoveId& id) const {
  return one<Move>(move_key(id));
}
std::optional<Move> State::last_move(const VmId& id) const {
  const auto machine = vm(id);
  if (!machine || !machine->last_move) return std::nullopt;
  return move(*machine->last_move);
}

}  // namespace sealift::ledger
