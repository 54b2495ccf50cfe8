#include "ledger/views.hpp"

#include <algorithm>

namespace sealift::ledger {

const crypto::NamedKey* MemberSet::find(std::string_view name) const {
  const auto found = std::ranges::find(members, name, [](const auto& m) { return std::string_view(m.name); });
  return found == members.end() ? nullptr : &*found;
}

crypto::Digest MemberSet::digest() const {
  Encoder out;
  out.u64(changes).u32(static_cast<std::uint32_t>(members.size()));
  for (const crypto::NamedKey& member : members) out.text(member.name).raw(member.key.view());
  return crypto::sha256(out.bytes());
}

std::string_view to_string(MoveStatus status) {
  switch (status) {
    case MoveStatus::kOffered: return "offered";
    case MoveStatus::kAccepted: return "accepted";
    case MoveStatus::kCommitted: return "committed";
    case MoveStatus::kStarted: return "started";
    case MoveStatus::kReturned: return "returned";
    case MoveStatus::kAborted: return "aborted";
    case MoveStatus::kRecovered: return "recovered";
  }
  return "?";
}

bool Move::open() const {
  return status == MoveStatus::kOffered || status == MoveStatus::kAccepted ||
         status == MoveStatus::kCommitted;
}

bool Move::unclosed() const {
  if (open()) return true;
  const bool copy_left =
      status == MoveStatus::kStarted || (status == MoveStatus::kRecovered && recovered_to != from);
  return copy_left && !closed && !abandoned;
}

}  // namespace sealift::ledger
