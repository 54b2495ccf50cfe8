#pragma once

// For tests: what the ledger would know of this host's VMs, in memory, with switches for its refusals.

#include <map>
#include <utility>
#include <vector>

#include "host/records.hpp"

namespace sealift::host::testing {

class MemoryRecords final : public VmRecords {
 public:
  Status registered(const ledger::VmId& vm, const crypto::Digest&, Deadline, const Stop&) override {
    if (refuse) return fail(Code::kRefused, "no");
    known[vm.text()];
    return {};
  }
  Status retired(const ledger::VmId& vm, const std::string&, Deadline, const Stop&) override {
    known.erase(vm.text());
    return {};
  }
  Status may_start(const ledger::VmId& vm, Deadline, const Stop&) override {
    if (unreachable) return fail(Code::kUnavailable, "1 of 2 members answered");
    return known.contains(vm.text()) ? Status() : fail(Code::kNotFound, "unknown");
  }
  std::optional<crypto::Digest> rest_root(const ledger::VmId& vm) override { return known[vm.text()]; }
  Status started(const ledger::VmId& vm, const std::optional<crypto::Digest>& checked,
                 const std::string& reason) override {
    starts.emplace_back(checked, reason);
    known[vm.text()].reset();
    return {};
  }
  Status rested(const ledger::VmId& vm, const crypto::Digest& root, const std::string& reason) override {
    rests.push_back(reason);
    known[vm.text()] = root;
    return {};
  }
  Numbers numbers(const ledger::VmId&) override { return {}; }

  bool refuse = false;
  bool unreachable = false;
  std::map<std::string, std::optional<crypto::Digest>> known;
  std::vector<std::pair<std::optional<crypto::Digest>, std::string>> starts;
  std::vector<std::string> rests;
};

}  // namespace sealift::host::testing
