#include "ledger/membership.hpp"

#include <algorithm>

namespace sealift::ledger {

namespace {

struct Step {
  MemberSet set;

  bool remove(const HostName& name) {
    return std::erase_if(set.members, [&](const auto& member) { return member.name == name.text(); }) == 1;
  }
  Status operator()(const HostJoin& join) {
    if (set.find(join.host.name.text()) != nullptr)
      return fail(Code::kInvalid, "{} is a member already", join.host.name.text());
    set.members.push_back({join.host.name.text(), join.host.key});
    std::ranges::sort(set.members, {}, &crypto::NamedKey::name);
    return {};
  }
  Status operator()(const HostLeave& leave) { return removed(leave.host); }
  Status operator()(const HostExpel& expel) { return removed(expel.host); }
  Status operator()(const HostUpdate& update) {
    const auto found = std::ranges::find(set.members, update.host.text(), &crypto::NamedKey::name);
    if (found == set.members.end() || !update.next_key)
      return fail(Code::kInvalid, "{} is no member with a new key", update.host.text());
    found->key = *update.next_key;
    return {};
  }
  Status operator()(const RulesActivate&) { return {}; }
  Status operator()(const VmRecover& recover) {
    remove(recover.lost);  // expelled earlier, maybe
    return {};
  }
  template <class Other>
  Status operator()(const Other&) {
    return fail(Code::kInvalid, "it does not change who counts");
  }
  Status removed(const HostName& name) {
    if (!remove(name)) return fail(Code::kInvalid, "{} is not a member", name.text());
    return {};
  }
};

}  // namespace

MemberSet first_set(const Genesis& genesis) {
  MemberSet set;
  for (const HostInfo& founder : genesis.founders) set.members.push_back({founder.name.text(), founder.key});
  std::ranges::sort(set.members, {}, &crypto::NamedKey::name);
  return set;
}

bool changes_members(const Body& body) {
  if (const auto* update = std::get_if<HostUpdate>(&body)) return update->next_key.has_value();
  return std::holds_alternative<HostJoin>(body) || std::holds_alternative<HostLeave>(body) ||
         std::holds_alternative<HostExpel>(body) || std::holds_alternative<RulesActivate>(body) ||
         std::holds_alternative<VmRecover>(body);
}

Result<MemberSet> next_set(const MemberSet& set, const Body& body) {
  Step step{set};
  SEALIFT_TRY_STATUS(std::visit([&](const auto& one) { return step(one); }, body));
  ++step.set.changes;
  return std::move(step.set);
}

}  // namespace sealift::ledger
