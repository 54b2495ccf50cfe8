#include "host/record_numbers.hpp"

#include <algorithm>

#include "ledger/record.hpp"

namespace sealift::host {

Status RecordNumbers::next(const ledger::VmId& vm, const std::function<Status(std::uint64_t)>& keep) {
  auto users = users_.lock();
  std::uint64_t highest = 0;
  for (const Used* used : {&users->host, &users->moves})
    if (*used) highest = std::max(highest, SEALIFT_TRY((*used)(vm)));
  if (const auto known = ledger_.final_state()->vm(vm)) {
    const auto ours = known->numbers.find(self_);
    if (ours != known->numbers.end()) highest = std::max(highest, ours->second);
  }
  return keep(highest + 1);
}

Result<Bytes> renumbered(ByteView envelope, std::uint64_t number, const crypto::Identity& signer) {
  ledger::Record record = SEALIFT_TRY(ledger::parse_record(envelope));
  const bool of_vm = std::visit(
      [&](auto& body) {
        if constexpr (requires { body.vm; }) {
          body.number = number;
          return true;
        } else {
          return false;
        }
      },
      record.body);
  if (!of_vm) return fail(Code::kInvalid, "{} is no record of a VM", ledger::kind_name(record.body));
  return ledger::make_record(record.domain, record.body, signer);
}

}  // namespace sealift::host
