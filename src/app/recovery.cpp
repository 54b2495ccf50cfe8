#include "app/recovery.hpp"

#include <algorithm>
#include <set>

#include "base/log.hpp"
#include "ledger/seal.hpp"

namespace sealift::app {

namespace {

constexpr Milliseconds kProbeWithin{3'000};
constexpr Milliseconds kCopyWithin{24 * 3'600'000};
constexpr Milliseconds kLedgerWithin{60'000};

// The disks' root as the last move's seal has it; nothing without a sealed move.
std::optional<crypto::Digest> sealed_root(const ledger::State& state, const ledger::VmId& vm) {
  const auto move = state.last_move(vm);
  if (!move || !move->seal) return std::nullopt;
  return ledger::disks_root(move->seal->parts);
}

}  // namespace

// By id, or by a name under which this host has, had or moved it.
Result<ledger::VmId> Recovery::resolve(const std::string& wanted) {
  if (auto id = ledger::VmId::parse(wanted)) return id;
  std::set<ledger::VmId> found;
  for (const auto& entry : host_.quarantine_list())
    if (entry.name == wanted) found.insert(entry.vm);
  for (const auto& move : moves_.moves())
    if (move.vm_name == wanted) found.insert(move.vm);
  for (const auto& vm : host_.list())
    if (vm.definition.name == wanted) found.insert(vm.id);
  if (found.size() == 1) return *found.begin();
  if (found.empty()) {
    return fail(Code::kNotFound,
                "this host has never had a VM '{}': name it by its id; 'sealift ledger log' shows it",
                wanted);
  }
  return fail(Code::kConflict,
              "{} VMs were called '{}' here: name it by its id; 'sealift ledger log' shows them",
              found.size(), wanted);
}

// sealift cannot fence a host that it doesn't reach; one that it reaches isn't lost.
Status Recovery::check_lost(const Case& about, const Stop& stop) {
  if (!about.state->member(about.vm.owner)) return {};
  const Status answer = node_.compare_with(about.vm.owner, Deadline::in(kProbeWithin), stop);
  const bool silent =
      !answer && (answer.error().code == Code::kUnavailable || answer.error().code == Code::kTimeout ||
                  answer.error().code == Code::kCancelled || answer.error().code == Code::kIo);
  if (silent) return {};
  return fail(Code::kRefused,
              "{} owns the VM and answers: it is not lost, and nothing was changed. Move the VM (sealift "
              "migrate), or, "
              "when {} must lose it all the same, expel it first: sealift domain expel {} --reason WHY",
              about.vm.owner.text(), about.vm.owner.text(), about.vm.owner.text());
}

// A move that is unfinished here: its custody keeps the copy that matters, and no other one is brought in.
Result<bool> Recovery::copy_by_move(const Case& about) {
  const auto unfinished = SEALIFT_TRY(moves_.unfinished(about.vm.id));
  if (!unfinished) return false;
  const auto move = SEALIFT_TRY(moves_.find(unfinished->hex()));
  const bool destination = move.role == migrate::MoveRole::kDestination && move.phase == "committing";
  const bool source =
      move.role == migrate::MoveRole::kSource && (move.phase == "sealed" || move.phase == "gave");
  const std::string id = unfinished->hex().substr(0, 12);
  if (!destination && !source) {
    return fail(
        Code::kConflict,
        "move {} of the VM is {} on this host, nothing was changed: wait for it, or abort it first (sealift "
        "moves abort {})",
        id, move.phase, id);
  }
  if (about.request.from.empty()) return true;
  return fail(
      Code::kConflict,
      "move {} has a checked copy of the VM here, which is the newest there is; nothing was changed. Leave "
      "--from out to take that one",
      id);
}

Result<Json> Recovery::recover(const Request& request, const Stop& stop) {
  const std::lock_guard one(one_);
  Case about{.request = request,
             .vm = {},
             .self = node_.status().self,
             .to = {},
             .state = node_.final_state(),
             .root = {}};
  if (!request.root.empty()) about.root = SEALIFT_TRY(crypto::Digest::from_hex(request.root));
  const ledger::VmId id = SEALIFT_TRY(resolve(request.vm));
  const auto vm = about.state->vm(id);
  if (!vm) return fail(Code::kNotFound, "the ledger knows no VM {}", id.text());
  if (vm->status == ledger::VmStatus::kRetired)
    return fail(Code::kRefused, "VM {} is retired: it never comes back", id.text());
  about.vm = *vm;
  about.to = request.to.empty() ? about.self : SEALIFT_TRY(ledger::HostName::parse(request.to));
  const bool owned = vm->owner == about.to;
  if (!owned && request.fence.empty()) {
    return fail(Code::kInvalid,
                "--fenced HOW is missing: say how you know that {} does not run the VM (powered off, or its "
                "QEMU seen "
                "dead); it is recorded with your name",
                vm->owner.text());
  }
  if (!owned) SEALIFT_TRY_STATUS(check_lost(about, stop));
  if (about.to != about.self) {
    if (owned) return fail(Code::kConflict, "{} owns the VM already", about.to.text());
    if (!request.from.empty()) {
      return fail(
          Code::kInvalid,
          "a copy is brought in at the new owner: run this command with --from there, or leave --from out");
    }
    return without_copy(
        about, fmt::format("then, at {}: sealift vm recover {} --from COPY", about.to.text(), id.text()),
        stop);
  }
  if (host_.find(id.text()) && owned)
    return fail(Code::kConflict, "VM {} is this host's already: sealift vm start", request.vm);
  if (!owned && SEALIFT_TRY(copy_by_move(about))) {
    return without_copy(about, "the copy that the move keeps here becomes this host's VM (sealift vm list)",
                        stop);
  }
  return with_copy(about, stop);
}

Result<Json> Recovery::without_copy(const Case& about, const std::string& after, const Stop& stop) {
  return propose(about, about.root, about.request.accept_changes, after, stop);
}

// Empty: the copy is what the ledger recorded. Otherwise the reason that was given for taking it.
Result<std::string> Recovery::judge(const Case& about, const crypto::Digest& root, const std::string& words) {
  if (about.root && root != *about.root) {
    return fail(Code::kRefused,
                "the copy in {} has root {}, not the one that --root names: nothing was changed", words,
                root.hex());
  }
  const auto& rest = about.vm.rest_root;
  if (rest && *rest == root) return std::string();
  std::string finding;
  if (rest) {
    finding = fmt::format("its disks have root {}, the ledger has {} for the VM at rest",
                          root.hex().substr(0, 16), rest->hex().substr(0, 16));
  } else if (sealed_root(*about.state, about.vm.id) == root) {
    finding = fmt::format("it is what move {} sealed; whatever the VM wrote since then is not in it",
                          about.vm.last_move->hex().substr(0, 12));
  } else {
    finding = "nothing in the ledger says what its disks should hold: it may be old, or altered";
  }
  if (!about.request.accept_changes.empty()) return about.request.accept_changes;
  return fail(
      Code::kRefused,
      "the copy in {} was not taken: {}. Nothing was changed. Look for a newer copy; or take this one on "
      "purpose with --accept-changes REASON, which is recorded",
      words, finding);
}

Result<Json> Recovery::with_copy(const Case& about, const Stop& stop) {
  const ledger::VmId& id = about.vm.id;
  if (about.request.from.empty()) {
    std::string known;
    for (const auto& entry : host_.quarantine_list()) {
      if (entry.vm == id)
        known += fmt::format("; this host has quarantine entry {} ({})", entry.id.substr(0, 12), entry.why);
    }
    return fail(Code::kInvalid,
                "no copy was given and nothing was changed: --from ENTRY (sealift quarantine list) or --from "
                "DIRECTORY "
                "with a backup's vm.toml and disks{}",
                known);
  }
  const auto copy = SEALIFT_TRY(host_.find_copy(about.request.from));
  const crypto::Digest root = SEALIFT_TRY(host_.prepare_recovery(id, copy, Deadline::in(kCopyWithin), stop));
  const auto drop = [&](const Error& error) -> Result<Json> {
    if (const Status dropped = host_.drop_recovery(id); !dropped)
      log_warning("vm.recovery", {{"vm", id.text()}, {"left", dropped.error().message}});
    return std::unexpected(error);
  };
  const auto accepted = judge(about, root, copy.words);
  if (!accepted) return drop(accepted.error());
  const bool owned = about.vm.owner == about.self;
  const ledger::Epoch epoch{owned ? about.vm.epoch.value : about.vm.epoch_used.value + 1};
  const Status promised =
      host_.promise_recovery({.vm = id, .epoch = epoch, .root = root, .accepted = *accepted});
  if (!promised) return drop(promised.error());
  const std::string after = fmt::format("start it: sealift vm start {}", copy.parsed.definition.name);
  if (owned) {
    look();
    if (!host_.find(id.text()))
      return fail(Code::kIo, "the copy is here, but was not taken in: see the daemon's log");
    return Json{
        {"recorded", true},
        {"vm", id.text()},
        {"epoch", epoch.value},
        {"message", fmt::format("VM {} is here, powered off, from {}; {}", id.text(), copy.words, after)}};
  }
  auto answer = propose(about, root, *accepted, after, stop);
  const bool refused =
      !answer && (answer.error().code == Code::kRefused || answer.error().code == Code::kInvalid ||
                  answer.error().code == Code::kUnauthorized);
  if (refused) return drop(answer.error());
  if (!answer) {
    return because(
        answer.error(),
        "the copy is ready here and becomes this host's VM as soon as the record is final; whether it was "
        "recorded is not known yet (sealift vm list, sealift ledger log)");
  }
  look();
  return answer;
}

Result<Json> Recovery::propose(const Case& about, const std::optional<crypto::Digest>& root,
                               const std::string& accepted, const std::string& after, const Stop& stop) {
  const ledger::VmRecover body{.number = 0,
                               .vm = about.vm.id,
                               .epoch = {about.vm.epoch_used.value + 1},
                               .lost = about.vm.owner,
                               .owner = about.to,
                               .fence = about.request.fence,
                               .root = root,
                               .accepted = accepted};
  const auto proposal = SEALIFT_TRY(node_.propose(body, Deadline::in(kLedgerWithin), stop));
  std::string message;
  if (proposal.submitted) {
    message = fmt::format("{}: recorded; {} is expelled; {}", proposal.text, about.vm.owner.text(), after);
  } else {
    message = fmt::format(
        "{}: signed by {} of {}, so nothing has changed yet; on another member: sealift domain approve {}; "
        "{}",
        proposal.text, proposal.signed_by.size(), proposal.needed, proposal.subject, after);
  }
  return Json{{"recorded", proposal.submitted},
              {"vm", about.vm.id.text()},
              {"epoch", body.epoch.value},
              {"message", message}};
}

void Recovery::look() {
  const auto copies = host_.prepared_recoveries();
  if (copies.empty()) return;
  const auto state = node_.final_state();
  const ledger::HostName self = node_.status().self;
  for (const host::PreparedCopy& copy : copies) {
    if (const auto vm = state->vm(copy.vm)) settle(copy, *vm, self);
  }
}

void Recovery::settle(const host::PreparedCopy& copy, const ledger::Vm& vm, const ledger::HostName& self) {
  const bool ours = vm.owner == self && vm.epoch == copy.epoch && vm.status == ledger::VmStatus::kActive;
  if (!ours && vm.epoch_used < copy.epoch && vm.status == ledger::VmStatus::kActive) return;  // it waits
  const bool other_root = !vm.rest_root || *vm.rest_root != copy.root;
  Status done;
  if (!ours || (other_root && vm.rest_root && copy.accepted.empty())) {
    log_warning("vm.recovery",
                {{"vm", copy.vm.text()},
                 {"dropped", ours ? "the ledger names another root" : "the ledger went on without it"}});
    done = host_.drop_recovery(copy.vm);
  } else {
    // vm.rest first: the start of what was taken on purpose is checked against it.
    if (other_root) done = records_.rested(copy.vm, copy.root, copy.accepted);
    if (done) done = host_.adopt_recovery(copy.vm);
  }
  if (!done) log_error("vm.recovery", {{"vm", copy.vm.text()}, {"error", done.error().message}});
}

}  // namespace sealift::app
