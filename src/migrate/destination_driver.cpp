#include "migrate/destination_driver.hpp"

#include "migrate/facts.hpp"
#include "migrate/statement.hpp"

namespace sealift::migrate {

using namespace std::chrono_literals;
namespace custody_destination = custody::destination;

namespace {

constexpr Milliseconds kLonelyMax{900'000};     // a cold move waits for another session for so long
constexpr Milliseconds kDrainPatience{30'000};  // the streams' ends after a seal

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

}  // namespace

DestinationDriver::DestinationDriver(const Surroundings& around, MoveRow row, Agreed agreed)
    : CustodyDriver(around, std::move(row), std::move(agreed)) {}

DestinationDriver::~DestinationDriver() {
  stop_.stop();
  stop_receiving();
}

void DestinationDriver::serve(const std::shared_ptr<Conversation>& talk, const Stop& stop) {
  inbox_.update([](Inbox& inbox) { inbox = {}; });
  talk_.lock()->conversation = talk;
  talk_.notify_all();
  while (!done() && !stop_.stopped()) {
    const auto message = talk->receive(Deadline::in(1s), stop);
    if (message) {
      take(*message);
      continue;
    }
    if (message.error().code == Code::kTimeout) continue;
    inbox_.update([&](Inbox& inbox) { inbox.ended = message.error(); });
    if (!resumes() && !stop_.stopped())
      tell(EventKind::kSessionLost, "the connection ended: " + message.error().message);
    return;
  }
}

// Until everything of a cold move is here, its receiver waits for the next session itself: also one that is
// only about to begin.
bool DestinationDriver::resumes() const {
  if (agreed_.mode() != custody::MoveMode::kCold || loaded_) return false;
  const std::string phase = progress().phase;
  return phase == "accepting" || phase == "receiving";
}

void DestinationDriver::take(const protocol::Message& message) {
  std::visit(Overloaded{
                 [&](const protocol::Round& m) { inbox_.update([&](Inbox& i) { i.round = m; }); },
                 [&](const protocol::SealMessage& m) { take_seal(m.envelope); },
                 [&](const protocol::Cancelled& m) {
                   tell(EventKind::kPeerCancelled, agreed_.from.text() + " gave up: " + m.reason);
                 },
                 [&](const auto&) {
                   tell(EventKind::kFailed, fmt::format("{} sent '{}', which has no place here",
                                                        agreed_.from.text(), protocol::type_of(message)));
                 },
             },
             message);
}

void DestinationDriver::take_seal(const Bytes& envelope) {
  at_.lock()->seal = std::chrono::steady_clock::now();
  const Status equal = check_seal(envelope);
  at_.lock()->compared = std::chrono::steady_clock::now();
  Event event{equal ? EventKind::kSealEqual : EventKind::kSealDiffers};
  if (equal)
    event.data = envelope;
  else
    event.reason = equal.error().message;
  box_.push(std::move(event));
}

// Everything that the ledger's rules will check too, and then what only this host can know.
Status DestinationDriver::check_seal(const Bytes& envelope) {
  const auto receive = *receive_.lock();
  if (!receive) return fail(Code::kRefused, "a seal of something that is not here");
  // Only what was received whole has parts to compare; before that the receiving thread still writes them.
  if (receiving_) return fail(Code::kCorrupt, "a seal came before everything was received");
  SEALIFT_TRY_STATUS(receive->drain(Deadline::in(kDrainPatience), stop_.token()));
  const auto unverified = SEALIFT_TRY(ledger::parse_seal(envelope));
  const auto source = options().ledger->final_state()->member(agreed_.from);
  if (!source) return fail(Code::kUnauthorized, "{} is no member any more", agreed_.from.text());
  const ledger::Seal seal = SEALIFT_TRY(unverified.verify(source->info.key));
  const bool ours = seal.domain == agreed_.domain && seal.move == id() && seal.vm == row_.vm &&
                    seal.from == agreed_.from && seal.to == agreed_.to && seal.epoch == agreed_.epoch;
  if (!ours) return fail(Code::kCorrupt, "the seal is of another move, destination or epoch");
  const std::string differs = difference(seal.parts, receive->parts());
  if (!differs.empty())
    return fail(Code::kCorrupt, "what arrived is not what was sealed: {}; everything received is destroyed",
                differs);
  return {};
}

void DestinationDriver::send(const custody::Send& send) {
  const auto talk = talk_.lock()->conversation;
  if (send.message == custody::Message::kCancelled) {
    stop_receiving();
    if (talk) (void)talk->send(protocol::Cancelled{send.reason}, stop_.token());
  } else if (send.message == custody::Message::kReady && talk) {
    const Status sent = talk->send(protocol::Ready{}, stop_.token());
    if (!sent) tell(EventKind::kSessionLost, sent.error().message);
  }
}

std::optional<DestinationDriver::EventKind> DestinationDriver::fact(const ledger::State& state) const {
  return destination_fact(state, id());
}

std::pair<Bytes, std::string> DestinationDriver::record_details(custody::RecordKind kind,
                                                                const State& state) const {
  if (const auto* committing = std::get_if<custody_destination::Committing>(&state))
    return {committing->seal, ""};
  if (const auto* destroying = std::get_if<custody_destination::Destroying>(&state))
    return {{}, destroying->reason};
  if (kind == custody::RecordKind::kStarted) return {{}, how_started_};
  if (kind == custody::RecordKind::kReturn) return {{}, "the destination could not start it"};
  return {{}, ""};
}

void DestinationDriver::entered(const State& state) {
  if (std::holds_alternative<custody_destination::Accepting>(state)) return await("the ledger");
  if (std::holds_alternative<custody_destination::Committing>(state)) {
    update([](MoveProgress& p) { p.switchover = "sealed, equal"; });
    return await("the ledger's answer: its order of commit and abort", Silence::kIsAlarming);
  }
  if (std::holds_alternative<custody_destination::Starting>(state)) {
    at_.lock()->committed = std::chrono::steady_clock::now();
    const auto move = options().ledger->final_state()->move(id());
    update([&](MoveProgress& p) {
      p.switchover += fmt::format(", committed (block {})", move ? move->decided_height : 0);
    });
  }
  if (std::holds_alternative<custody_destination::Started>(state)) {
    update(
        [](MoveProgress& p) { p.switchover += p.mode == custody::MoveMode::kLive ? ", running" : ", here"; });
    say_timing();
  }
  if (std::holds_alternative<custody_destination::Returning>(state))
    return await("the ledger's answer to move.return", Silence::kIsAlarming);
  if (std::holds_alternative<custody_destination::Claiming>(state))
    return await("the ledger's answer to move.started, the VM starts after it", Silence::kIsAlarming);
  if (std::holds_alternative<custody_destination::Started>(state))
    return await("the ledger, to have move.started", Silence::kIsAlarming);
  if (std::holds_alternative<custody_destination::Destroying>(state))
    return await("the ledger's abort", Silence::kIsAlarming);
  if (std::holds_alternative<custody_destination::Erasing>(state))
    return await("what was received to be erased");
  await("");
}

void DestinationDriver::say_timing() {
  const Moments at = *at_.lock();
  const auto talk = talk_.lock()->conversation;
  if (!talk || !at.seal || !at.compared || !at.committed || !at.running) return;
  const auto ms = [](SteadyTime from, SteadyTime to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
  };
  protocol::Timing timing;
  timing.compare_ms = ms(*at.seal, *at.compared);
  timing.ledger_ms = ms(*at.compared, *at.committed);
  timing.start_ms = ms(*at.committed, *at.running);
  timing.running_after_ms = ms(*at.seal, *at.running);
  (void)talk->send(timing, stop_.token());
}

bool DestinationDriver::look_at_clock() {
  look_at_repeats();
  const bool holds_guest = std::holds_alternative<custody_destination::Loaded>(state()) ||
                           std::holds_alternative<custody_destination::Syncing>(state()) ||
                           std::holds_alternative<custody_destination::Committing>(state());
  if (holds_guest && agreed_.mode() == custody::MoveMode::kLive && !qemu_gone_told_ && !machine()) {
    qemu_gone_told_ = true;
    tell(EventKind::kQemuGone, "its QEMU has ended");
    return true;
  }
  const auto wall = static_cast<std::uint64_t>(options().clock->wall().time_since_epoch().count());
  if (wall <= agreed_.deadline_ms || deadline_told_) return false;
  deadline_told_ = true;
  Event event{EventKind::kDeadline};
  event.reason = "the move's deadline has passed";
  handle(std::move(event));
  return true;
}

void DestinationDriver::fill(Event& event) {
  event.source_is_member = options().ledger->final_state()->member(agreed_.from).has_value();
}

// What the machine made of it is the answer: its state may have changed while the wish was on its way.
Result<std::string> DestinationDriver::abort() {
  if (!done()) tell(EventKind::kOperatorAbort, "the destination's operator aborted the move");
  const std::string phase = wait_past({"accepting", "receiving", "loaded", "syncing"});
  if (phase == "destroying" || phase == "erasing" || aborted())
    return std::string("the move is aborted; the VM goes on at its source");
  if (phase == "committing")
    return std::string(
        "the ledger was asked to abort; the commit asked for before it most likely comes first");
  if (phase == "returning") return std::string("the VM is being given back to its source already");
  if (phase == "ended") return fail(Code::kRefused, "too late: the move is over");
  if (phase == "starting" || phase == "started" || phase == "claiming")
    return fail(Code::kRefused, "too late: the move is committed, the VM is this host's");
  return fmt::format("the abort is asked for and comes after what is being done now ({}): sealift moves show",
                     phase);
}

Result<std::string> DestinationDriver::tune(std::optional<std::uint64_t>, std::optional<std::uint64_t>) {
  return fail(Code::kRefused, "limits are changed at the source, {}", agreed_.from.text());
}

void DestinationDriver::begin_receive() {
  if (receiving_) return;
  if (receiver_.joinable()) receiver_.join();
  receiving_ = true;
  receiver_ = std::jthread([this] { receive(receiver_stop_.token()); });
}

Result<std::shared_ptr<Conversation>> DestinationDriver::wait_talk(Deadline deadline, const Stop& stop) {
  while (true) {
    auto talk = talk_.lock();
    const SteadyTime slice = std::chrono::steady_clock::now() + Milliseconds{200};
    talk.wait_until(slice,
                    [](const Talk& t) { return t.conversation && !t.conversation->session().failure(); });
    if (talk->conversation && !talk->conversation->session().failure()) return talk->conversation;
    if (stop.stopped()) return fail(Code::kCancelled, "stopped");
    if (deadline.passed()) return fail(Code::kUnavailable, "{} did not come back", agreed_.from.text());
  }
}

void DestinationDriver::receive(const Stop& stop) {
  const bool cold = agreed_.mode() == custody::MoveMode::kCold;
  while (true) {
    const auto talk = wait_talk(Deadline::in(kLonelyMax), stop);
    if (!talk) {
      receiving_ = false;
      if (!stop.stopped()) tell(EventKind::kSessionLost, talk.error().message);
      return;
    }
    const Status received = receive_once(*talk, stop);
    if (received || stop.stopped() || !cold || !(*talk)->session().failure()) {
      loaded_ = received.has_value();
      receiving_ = false;
      if (received)
        tell(EventKind::kLoaded);
      else if (!stop.stopped())
        tell(EventKind::kFailed, received.error().message);
      return;
    }
    if (received.error().code == Code::kCorrupt) {  // the session was tampered with: nothing of it is trusted
      receiving_ = false;
      return tell(EventKind::kFailed, received.error().message);
    }
    log_warning("move.session", {{"move", id().hex().substr(0, 12)}, {"lost", received.error().message}});
  }
}

Status DestinationDriver::receive_once(const std::shared_ptr<Conversation>& talk, const Stop& stop) {
  ReceivePlan plan;
  plan.move = id();
  plan.agreed = &agreed_;
  plan.host = &host();
  plan.scratch = scratch();
  SEALIFT_TRY_STATUS(file::make_private_directory(plan.scratch));
  plan.talk = talk;
  plan.inbox = &inbox_;
  plan.update = [this](const std::function<void(MoveProgress&)>& change) { update(change); };
  auto opened = SEALIFT_TRY(DestinationReceive::open(std::move(plan)));
  const std::shared_ptr<DestinationReceive> receive = std::move(opened);
  *receive_.lock() = receive;
  SEALIFT_TRY_STATUS(receive->prepare(stop));
  SEALIFT_TRY_STATUS(talk->send(protocol::Receiving{}, stop));
  return receive->receive(stop);
}

void DestinationDriver::stop_receiving() {
  receiver_stop_.stop();
  if (receiver_.joinable()) receiver_.join();
  receiving_ = false;
}

void DestinationDriver::finish(const State& state) {
  const auto& ended = std::get<custody_destination::Ended>(state);
  if (ended.outcome == custody::Outcome::kMoved) guest_has_moved();  // an earlier daemon may not have said it
  host().release(row_.vm, id());
  *receive_.lock() = nullptr;
  (void)file::remove_tree(scratch());
  std::string receipt;
  if (ended.outcome == custody::Outcome::kMoved) receipt = keep_receipt();
  const std::string why = why_ended(ended.outcome, ended.reason);
  update([&](MoveProgress& p) {
    p.outcome = ended.outcome;
    if (!why.empty()) p.message = why;
    if (receipt.empty()) return;
    p.report = MoveReport{};
    p.report->receipt = receipt;
  });
}

void DestinationDriver::quit() {
  stop_receiving();
  const auto talk = talk_.lock()->conversation;
  if (talk && stop_.stopped())
    talk->session().abort({Code::kUnavailable, options().self.text() + " is stopping its daemon"});
  // What is left of an ended move is its progress: no buffers, no session, no hold on the process.
  *receive_.lock() = nullptr;
  talk_.lock()->conversation.reset();
  machine_.reset();
}

}  // namespace sealift::migrate
