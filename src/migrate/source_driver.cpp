#include "migrate/source_driver.hpp"

#include "migrate/facts.hpp"
#include "migrate/statement.hpp"

namespace sealift::migrate {

using namespace std::chrono_literals;
namespace custody_source = custody::source;

SourceDriver::SourceDriver(const Surroundings& around, MoveRow row, Agreed agreed,
                           std::shared_ptr<Conversation> conversation)
    : CustodyDriver(around, std::move(row), std::move(agreed)),
      bandwidth_(agreed_.request.bandwidth),
      max_downtime_ms_(agreed_.max_downtime_ms) {
  if (conversation) listen(conversation);
}

SourceDriver::~SourceDriver() {
  stop_.stop();
  stop_copying();
  if (reader_.joinable()) reader_.join();
}

void SourceDriver::perform(Deed deed) {
  switch (deed) {
    case Deed::kBeginCopy: return begin_copy();
    case Deed::kStopGuest: return stop_guest();
    case Deed::kLastRound: return last_round();
    case Deed::kContinueSwitchover: return continue_switchover();
    case Deed::kFreeze: return freeze();
    case Deed::kEnsureFrozen: return ensure_frozen();
    case Deed::kThaw: {
      stop_copying();
      // Whatever its state: of a freeze that came too late some threads may be stopped and some not yet.
      if (const auto m = machine()) {
        const Status thawed = m->thaw(Deadline::in(10s));
        if (!thawed) say(LogLevel::kError, "move.thaw", thawed.error().message);
      }
      return;
    }
    case Deed::kCancelMigration: {
      if (const auto m = machine()) (void)m->cancel_migration(Deadline::in(5s));
      return;
    }
    case Deed::kCutSockets: return cut_sockets();
    case Deed::kCont: return cont();
    case Deed::kStartFromDisks: return start_from_disks();
    case Deed::kKill: return kill();
    case Deed::kQuarantine: return fence();
  }
}

void SourceDriver::send(const custody::Send& send) {
  const auto talk = talk_.lock()->conversation;
  if (send.message == custody::Message::kCancelled) {
    stop_copying();
    if (talk) (void)talk->send(protocol::Cancelled{send.reason}, stop_.token());
    return;
  }
  if (send.message != custody::Message::kSeal || !talk) return;
  const auto* sealed = std::get_if<custody_source::Sealed>(&state());
  SEALIFT_CHECK(sealed != nullptr);
  auto parts = decode_statement(sealed->statement);
  if (!parts) return say(LogLevel::kError, "move.statement", parts.error().message);
  const ledger::Seal seal{agreed_.domain, id(),          row_.vm,          agreed_.from,
                          agreed_.to,     agreed_.epoch, std::move(*parts)};
  const Status sent =
      talk->send(protocol::SealMessage{ledger::make_seal(seal, *options().identity)}, stop_.token());
  at_.sealed = std::chrono::steady_clock::now();
  if (!sent) tell(EventKind::kSessionLost, sent.error().message);
  update([](MoveProgress& p) {
    p.switchover = p.mode == custody::MoveMode::kLive ? "stopped, sealed" : "sealed";
  });
}

std::optional<SourceDriver::EventKind> SourceDriver::fact(const ledger::State& state) const {
  return source_fact(state, id());
}

std::pair<Bytes, std::string> SourceDriver::record_details(custody::RecordKind kind,
                                                           const State& state) const {
  if (kind == custody::RecordKind::kClosed) return {{}, "quarantined"};
  if (const auto* cancelling = std::get_if<custody_source::Cancelling>(&state))
    return {{}, cancelling->reason};
  return {{}, kind == custody::RecordKind::kAbort ? "the source asks for it after its seal" : ""};
}

void SourceDriver::entered(const State& state) {
  if (std::holds_alternative<custody_source::Offering>(state))
    return await("the ledger and the destination's acceptance");
  if (std::holds_alternative<custody_source::Sealed>(state)) {
    sealed_at_ = std::chrono::steady_clock::now();
    return await("the ledger's answer: the destination's commit or an abort", Silence::kIsAlarming);
  }
  const bool stopping = std::holds_alternative<custody_source::Switching>(state) ||
                        std::holds_alternative<custody_source::Freezing>(state);
  if (!stopping) quorum_.reset();
  if (traffic() != nullptr && std::holds_alternative<custody_source::Copying>(state))
    traffic()->moving(traffic_move());
  if (std::holds_alternative<custody_source::Gave>(state)) {
    update([](MoveProgress& p) { p.switchover += ", equal, committed"; });
    return await("the destination's start (move.started)", Silence::kIsAlarming);
  }
  if (std::holds_alternative<custody_source::Fencing>(state)) {
    if (traffic() != nullptr) traffic()->moved(traffic_move());
    update([](MoveProgress& p) {
      p.switchover += p.mode == custody::MoveMode::kLive ? ", running" : ", moved";
    });
  }
  await("");
}

// After the seal everything stays as it is: only the ledger releases the guest.
bool SourceDriver::releases(const State& state) const {
  if (agreed_.mode() != custody::MoveMode::kLive) return false;
  if (const auto* cancelling = std::get_if<custody_source::Cancelling>(&state))
    return !cancelling->guest_safe;
  return std::holds_alternative<custody_source::Copying>(state) ||
         std::holds_alternative<custody_source::Switching>(state) ||
         std::holds_alternative<custody_source::Freezing>(state) ||
         std::holds_alternative<custody_source::Undoing>(state);
}

void SourceDriver::stop() {
  CustodyDriver::stop();
  hurry_.stop();
}

// The offer is final: the peer may accept. Then the deadline, and the patience after a seal.
bool SourceDriver::look_at_clock() {
  if (begin_due_ && std::holds_alternative<custody_source::Offering>(state()) &&
      options().ledger->final_state()->move(id())) {
    begin_due_ = false;
    begin_copy();
  }
  const auto now = std::chrono::steady_clock::now();
  if (fence_again_at_ && now >= *fence_again_at_) {
    fence_again_at_.reset();
    fence();
  }
  if (agreed_.mode() == custody::MoveMode::kLive && !qemu_gone_told_ && !machine()) {
    qemu_gone_told_ = true;
    tell(EventKind::kQemuGone, "QEMU has ended");
    return true;
  }
  const bool frozen = std::holds_alternative<custody_source::Sealed>(state()) ||
                      std::holds_alternative<custody_source::Gave>(state());
  if (const auto m = frozen ? machine() : nullptr; m && m->process_state() == ProcessState::kRunning)
    handle({EventKind::kResumeSeen, {}, {}, "its process was continued"});
  const auto wall = static_cast<std::uint64_t>(options().clock->wall().time_since_epoch().count());
  const bool late = wall > agreed_.deadline_ms && !deadline_told_;
  const bool impatient = sealed_at_ && std::holds_alternative<custody_source::Sealed>(state()) &&
                         now - *sealed_at_ > options().seal_patience && !patience_told_;
  if (!late && !impatient) return false;
  (late ? deadline_told_ : patience_told_) = true;
  handle(
      {EventKind::kDeadline, {}, {}, late ? "the move's deadline has passed" : "no answer since the seal"});
  return true;
}

// What the machine made of it is the answer: its state may have changed while the wish was on its way.
Result<std::string> SourceDriver::abort() {
  if (!done()) tell(EventKind::kOperatorAbort, "the operator aborted the move");
  hurry_.stop();
  const std::string phase = wait_past({"offering", "copying", "switching", "freezing"});
  if (phase == "cancelling" || phase == "undoing" || aborted())
    return std::string("the move is aborted; the VM goes on here");
  if (phase == "sealed")
    return std::string(
        "the ledger was asked to abort; if the destination's commit came first, the move goes on");
  if (phase == "gave" || phase == "fencing")
    return fail(Code::kRefused, "too late: the move is committed, the destination owns the VM");
  if (phase == "ended") return fail(Code::kRefused, "too late: the move is over");
  return fmt::format("the abort is asked for and comes after what is being done now ({}): sealift moves show",
                     phase);
}

Result<std::string> SourceDriver::tune(std::optional<std::uint64_t> bandwidth,
                                       std::optional<std::uint64_t> max_downtime_ms) {
  if (max_downtime_ms) max_downtime_ms_ = *max_downtime_ms;
  if (bandwidth) {
    bandwidth_ = *bandwidth;
    if (const auto talk = talk_.lock()->conversation) talk->session().set_bandwidth(*bandwidth);
  }
  return std::string("changed; it counts from now on");
}

void SourceDriver::finish(const State& state) {
  const auto& ended = std::get<custody_source::Ended>(state);
  std::optional<MoveReport> made;
  if (ended.outcome == custody::Outcome::kMoved)
    made = report(agreed_.request.vm.live ? "frozen copy ended; disks in quarantine" : "disks in quarantine");
  if (ended.outcome != custody::Outcome::kMoved) guest_is_back();
  host().release(row_.vm, id());
  (void)file::remove_tree(scratch());
  const std::string why = why_ended(ended.outcome, ended.reason);
  update([&](MoveProgress& p) {
    p.outcome = ended.outcome;
    if (!why.empty()) p.message = why;
    p.report = made;
  });
}

MoveReport SourceDriver::report(const std::string& source) {
  MoveReport report;
  const auto ms = [](SteadyTime from, SteadyTime to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
  };
  report.total_ms = static_cast<std::uint64_t>(ms(began_at_, std::chrono::steady_clock::now()));
  report.source = source;
  if (kept_until_) report.kept_until = to_iso8601(*kept_until_);
  report.hold = hold_;
  const auto timing = inbox_.get().timing;
  if (at_.stopped && at_.round_durable && at_.ready && at_.frozen && at_.sealed && timing) {
    report.pause_parts_ms = {{"last round", ms(*at_.stopped, *at_.round_durable)},
                             {"last pass", ms(*at_.round_durable, *at_.ready)},
                             {"freeze", ms(*at_.ready, *at_.frozen)},
                             {"seal", ms(*at_.frozen, *at_.sealed)},
                             {"compare", timing->compare_ms},
                             {"ledger", timing->ledger_ms},
                             {"start", timing->start_ms}};
    report.pause_ms = ms(*at_.stopped, *at_.sealed) + timing->running_after_ms;
    report.total_ms = static_cast<std::uint64_t>(ms(began_at_, *at_.sealed) + timing->running_after_ms);
  }
  const auto move = options().ledger->final_state()->move(id());
  if (move && move->seal) {
    for (const ledger::SealPart& part : move->seal->parts)
      if (part.name.starts_with("disk/"))
        report.verified.push_back(fmt::format("{}: content root {}", part.name.substr(5), part.digest.hex()));
    if (agreed_.request.vm.live) report.verified.emplace_back("memory: both ends agree, no content digest");
  }
  report.receipt = keep_receipt();
  return report;
}

void SourceDriver::quit() {
  stop_copying();
  if (const auto talk = talk_.lock()->conversation) {
    if (stop_.stopped())
      talk->session().abort({Code::kUnavailable, options().self.text() + " is stopping its daemon"});
    else if (talk->session().failure() || !talk->session().close(Deadline::in(2s), {}))
      talk->session().abort();
  }
  if (reader_.joinable()) reader_.join();
  // What is left of an ended move is its progress: no buffers, no session, no hold on the process.
  *copy_.lock() = nullptr;
  talk_.lock()->conversation.reset();
  machine_.reset();
}

}  // namespace sealift::migrate
