#include <algorithm>

#include "ledger/ask_quorum.hpp"
#include "migrate/move_manager_impl.hpp"
#include "migrate/source_driver.hpp"

// How a move begins at its source: everything is checked on both sides, then the offer is made.

namespace sealift::migrate {

using namespace std::chrono_literals;

namespace {

constexpr Milliseconds kQuorumPatience{3'000};
constexpr Milliseconds kDialPatience{10'000};
constexpr Milliseconds kCheckPatience{30'000};
constexpr Milliseconds kQmpPatience{3'000};
constexpr Milliseconds kSettledPatience{2'000};
constexpr Milliseconds kSettledEvery{10};

std::string where(const LocalVm& vm, const ledger::HostName& self) {
  return fmt::format("{} on {}", vm.machine ? "runs" : "is powered off", self.text());
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : "; ") + word;
  return text;
}

}  // namespace

Result<MigrateAnswer> MoveManager::Impl::migrate(const MigrateRequest& request, Deadline deadline,
                                                 const Stop& stop) {
  Question question;
  question.vm = SEALIFT_TRY(options.host->find(request.vm));
  MigrateAnswer answer;
  answer.vm_is = where(question.vm, options.self);
  SEALIFT_TRY_STATUS(ask_here(request, question, stop));
  const auto state = options.ledger->final_state();
  const bool reachable = request.to != options.self && state->member(request.to) &&
                         one_can_dial(*state, options.self, request.to);
  {
    std::jthread writes;  // measured while the other side is asked
    if (question.agreed.request.vm.live && question.vm.machine)
      writes = std::jthread([&] { measure_writes(question, stop); });
    if (reachable) SEALIFT_TRY_STATUS(ask_there(question, deadline, stop));
  }
  answer.refused = question.verdict.refused;
  answer.warnings = question.verdict.warnings;
  answer.checks = fmt::format("{} ok; quorum {} of {}", question.verdict.passed, question.quorum_answered,
                              question.members);
  answer.mapped = question.agreed.mapped;
  if (answer.refused.empty()) {
    SEALIFT_TRY_STATUS(measure_link(question, stop));
    foresee(question, answer);
  }
  if (!answer.refused.empty() || request.dry_run) {
    if (question.talk) (void)question.talk->session().close(Deadline::in(1s), stop);
    return answer;
  }
  question.agreed.checks = answer.checks;
  answer.id = SEALIFT_TRY(offer(question));
  return answer;
}

// A record of the VM's last start, stop or move may be a moment behind what was just shown of it.
bool MoveManager::Impl::wait_settled(const ledger::VmId& vm, const Stop& stop) const {
  const Deadline deadline = Deadline::in(kSettledPatience);
  while (!options.host->records_settled(vm) || !outbox->settled(vm))
    if (deadline.passed() || stop.sleep(kSettledEvery)) return false;
  return true;
}

Status MoveManager::Impl::ask_here(const MigrateRequest& request, Question& question, const Stop& stop) {
  SourceFacts facts;
  facts.request = &request;
  facts.vm = &question.vm;
  facts.self = options.self;
  facts.live = request.mode == MigrateRequest::Mode::kLive ||
               (request.mode == MigrateRequest::Mode::kAuto && question.vm.machine != nullptr);
  if (question.vm.machine) {
    const auto status = question.vm.machine->status(Deadline::in(kQmpPatience));
    facts.run_state = status ? status->state : hypervisor::RunState::kOther;
    const auto migration = question.vm.machine->migration_status(Deadline::in(kQmpPatience));
    if (migration) facts.blocked = migration->blocked;
  }
  std::vector<std::uint64_t> allocated;
  for (std::size_t i = 0; i < question.vm.placement.disks.size(); ++i) {
    const auto& disk = question.vm.definition.disks[i];
    const auto image = image::inspect(question.vm.placement.disks[i], std::string(to_string(disk.format)));
    if (!image) question.verdict.refused.push_back(fmt::format("{}: {}", disk.name, image.error().message));
    image::ImageInfo info;
    info.virtual_bytes = disk.size_bytes;
    facts.images.push_back(image ? *image : info);
    allocated.push_back(image ? image->allocated_bytes : disk.size_bytes);
  }
  const auto asked = std::chrono::steady_clock::now();
  const auto quorum =
      ledger::ask_quorum_now(*options.ledger, *options.random, Deadline::in(kQuorumPatience), stop);
  question.quorum_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - asked).count());
  facts.state = options.ledger->final_state();
  facts.quorum_answered = quorum ? quorum->answered.size() : 0;
  facts.quorum_needed = facts.state->member_set().quorum();
  facts.unfinished = SEALIFT_TRY(journal->unfinished(question.vm.id));
  facts.records_settled = wait_settled(question.vm.id, stop);
  if (const auto last = facts.state->last_move(question.vm.id)) abort_unknown(*facts.state, *last);
  question.verdict.take(check_source(facts, options.host->facts()));
  question.quorum_answered = facts.quorum_answered;
  question.members = facts.state->members().size();

  Agreed& agreed = question.agreed;
  agreed.domain = facts.state->domain();
  agreed.from = options.self;
  agreed.to = request.to;
  agreed.max_downtime_ms = request.max_downtime_ms;
  agreed.patience_ms = request.patience_ms;
  agreed.streams = std::clamp(request.streams, 1U, 8U);
  IncomingVm& vm = agreed.request.vm;
  vm.id = question.vm.id;
  vm.from = options.self;
  vm.definition = question.vm.definition;
  vm.live = facts.live;
  for (const auto& network : question.vm.placement.networks)
    vm.bridged.push_back(std::holds_alternative<hypervisor::BridgeNetwork>(network));
  vm.map_networks = request.map_networks;
  vm.map_pools = request.map_pools;
  for (std::size_t i = 0; i < vm.definition.disks.size(); ++i) {
    const auto& disk = vm.definition.disks[i];
    vm.disks.push_back({disk.name, std::string(to_string(disk.format)), disk.size_bytes,
                        i < allocated.size() ? allocated[i] : disk.size_bytes});
  }
  agreed.request.channels = agreed.streams;
  agreed.request.bandwidth = request.bandwidth;
  agreed.request.clock_ms = static_cast<std::uint64_t>(options.clock->wall().time_since_epoch().count());
  return {};
}

Status MoveManager::Impl::ask_there(Question& question, Deadline deadline, const Stop& stop) {
  question.talk = SEALIFT_TRY(
      dial(options, question.agreed.to, question.agreed.streams, deadline.within(kDialPatience), stop));
  SEALIFT_TRY_STATUS(
      question.talk->send(protocol::Check{question.agreed.request, options.host->facts()}, stop));
  const auto message = SEALIFT_TRY(question.talk->receive(deadline.within(kCheckPatience), stop));
  const auto* checked = std::get_if<protocol::Checked>(&message);
  if (checked == nullptr)
    return fail(Code::kInvalid, "{} answered '{}' to the checks", question.agreed.to.text(),
                protocol::type_of(message));
  question.verdict.add(checked->refused);
  question.agreed.mapped = joined(checked->mapped);
  return {};
}

Result<ledger::MoveId> MoveManager::Impl::offer(Question& question) {
  Agreed& agreed = question.agreed;
  const auto state = options.ledger->final_state();
  const auto vm = state->vm(question.vm.id);
  if (!vm) return fail(Code::kNotFound, "the VM is not in the ledger");
  agreed.epoch.value = vm->epoch_used.value + 1;
  agreed.deadline_ms =
      static_cast<std::uint64_t>((options.clock->wall() + options.deadline).time_since_epoch().count());
  MoveRow row;
  row.role = MoveRole::kSource;
  row.vm = question.vm.id;
  row.agreed = encode_agreed(agreed);
  row.state = custody::source::encode(custody::source::Offering{});
  row.began_ms = static_cast<std::uint64_t>(options.clock->wall().time_since_epoch().count());
  SEALIFT_TRY_STATUS(options.numbers->next(row.vm, [&](std::uint64_t number) -> Status {
    row.offer = ledger::make_record(agreed.domain, make_offer(agreed, number), *options.identity);
    row.id = ledger::move_id(ledger::record_id(row.offer));
    SEALIFT_TRY_STATUS(options.host->hold(row.vm, row.id));
    Status kept = journal->add(row);
    if (!kept) options.host->release(row.vm, row.id);
    // In the outbox before anybody is given the same number; should that fail, the driver does it.
    if (kept) (void)outbox->submit_made(row.id, row.vm, custody::RecordKind::kOffer, row.offer, number);
    return kept;
  }));
  const ledger::MoveId id = row.id;
  row.state.clear();  // the driver begins
  run(std::make_shared<SourceDriver>(around, std::move(row), agreed, question.talk));
  return id;
}

}  // namespace sealift::migrate
