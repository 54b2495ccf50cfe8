#include "migrate/link_probe.hpp"
#include "migrate/move_manager_impl.hpp"

// What a move will take, measured before it begins: the guest's writes and the link.

namespace sealift::migrate {

using namespace std::chrono_literals;

namespace {

constexpr Milliseconds kWritesPeriod{300};
constexpr Milliseconds kWritesPatience{3'000};
constexpr Milliseconds kProbePatience{10'000};
constexpr std::size_t kStatusBytesMax = 65536;

// Pages that the guest never touched are not resident, and cost nothing to move.
std::uint64_t touched_memory(const LocalVm& vm) {
  const std::uint64_t all = vm.definition.memory_bytes;
  const auto text =
      file::read_text(fmt::format("/proc/{}/status", vm.machine->process().pid), kStatusBytesMax);
  const std::size_t at = text ? text->find("VmRSS:") : std::string::npos;
  if (at == std::string::npos) return all;
  return std::min<std::uint64_t>(all, std::strtoull(text->c_str() + at + 6, nullptr, 10) * 1024);
}

}  // namespace

void MoveManager::Impl::measure_writes(Question& question, const Stop& stop) {
  const auto rates = question.vm.machine->measure_writes(kWritesPeriod, Deadline::in(kWritesPatience), stop);
  if (rates)
    question.writes = *rates;
  else
    log_warning("move.writes", {{"vm", question.vm.definition.name}, {"error", rates.error().message}});
}

Status MoveManager::Impl::measure_link(Question& question, const Stop& stop) {
  const std::uint64_t limit = question.agreed.request.bandwidth;
  const auto rate =
      probe_link(*question.talk, question.agreed.streams, limit, Deadline::in(kProbePatience), stop);
  if (rate) {
    question.link_bytes_per_second = limit == 0 ? *rate : std::min(*rate, limit);
    return {};
  }
  if (question.talk->session().failure())
    return because(rate.error(),
                   fmt::format("nothing moved: the connection to {} broke while it was measured",
                               question.agreed.to.text()));
  log_warning("move.link", {{"to", question.agreed.to.text()}, {"error", rate.error().message}});
  return {};
}

void MoveManager::Impl::foresee(Question& question, MigrateAnswer& answer) {
  Agreed& agreed = question.agreed;
  EstimateFacts facts;
  facts.live = agreed.request.vm.live;
  if (question.vm.machine) facts.memory_bytes = touched_memory(question.vm);
  for (const IncomingDisk& disk : agreed.request.vm.disks) facts.disk_bytes += disk.allocated_bytes;
  facts.memory_write_bytes_per_second = question.writes.memory_bytes_per_second;
  facts.disk_write_bytes_per_second = question.writes.disk_bytes_per_second;
  facts.link_bytes_per_second = question.link_bytes_per_second;
  facts.ledger_ms = question.quorum_ms;
  facts.max_downtime_ms = agreed.max_downtime_ms;
  answer.expected = estimate(facts);
  if (!answer.expected.warning.empty()) answer.warnings.push_back(answer.expected.warning);
  agreed.expected = answer.expected.text;
  agreed.warnings = answer.warnings;
  agreed.write_bytes_per_second = facts.memory_write_bytes_per_second;
}

}  // namespace sealift::migrate
