#include "migrate/dial.hpp"
#include "migrate/source_driver.hpp"

// The source's session: dialled, listened to, and what is copied through it.

namespace sealift::migrate {

using namespace std::chrono_literals;

namespace {

constexpr Milliseconds kDialPatience{10'000};
constexpr Milliseconds kBeginPatience{
    120'000};                                // the destination's acceptance, its disks made, QEMU launched
constexpr Milliseconds kLonelyMax{900'000};  // a cold move goes on in a new session for so long
constexpr Milliseconds kReadyPatience{600'000};  // flush and count of everything at the destination

// kCancelled: the other daemon was stopped (our own stop is asked for separately).
bool worth_another_session(Code code) {
  return code == Code::kUnavailable || code == Code::kTimeout || code == Code::kClosed ||
         code == Code::kCancelled;
}

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

}  // namespace

Result<std::shared_ptr<Conversation>> SourceDriver::converse(const Stop& stop) {
  if (const auto talk = talk_.lock()->conversation; talk && !talk->session().failure()) return talk;
  auto talk = SEALIFT_TRY(dial(options(), agreed_.to, agreed_.streams, Deadline::in(kDialPatience), stop));
  listen(talk);
  return talk;
}

void SourceDriver::listen(const std::shared_ptr<Conversation>& talk) {
  if (reader_.joinable()) reader_.join();  // of a session that has failed
  inbox_.update([](Inbox& inbox) {
    const bool accepted = inbox.accepted;
    inbox = {};
    inbox.accepted = accepted;
  });
  {
    auto locked = talk_.lock();
    locked->conversation = talk;
    locked->begun = false;
  }
  talk->session().set_bandwidth(bandwidth_);
  reader_ = std::jthread([this, talk] {
    while (true) {
      const auto message = talk->receive(Deadline::never(), stop_.token());
      if (!message) return hang_up(message.error());
      take(*message);
    }
  });
}

void SourceDriver::take(const protocol::Message& message) {
  const bool cold = agreed_.mode() == custody::MoveMode::kCold;
  std::visit(Overloaded{
                 [&](const protocol::Receiving&) { inbox_.update([](Inbox& i) { i.receiving = true; }); },
                 [&](const protocol::RoundDurable& m) {
                   inbox_.update([&](Inbox& i) { i.round_durable = std::max(i.round_durable, m.number); });
                 },
                 [&](const protocol::Ready&) {
                   inbox_.update([](Inbox& i) { i.ready = true; });
                   if (!cold)
                     tell(EventKind::kPeerReady);  // of a cold move the copier says so, when it is done
                 },
                 [&](const protocol::Timing& m) { inbox_.update([&](Inbox& i) { i.timing = m; }); },
                 [&](const protocol::Cancelled& m) {
                   tell(EventKind::kPeerCancelled, agreed_.to.text() + " gave up: " + m.reason);
                 },
                 [&](const auto&) {
                   tell(EventKind::kFailed, fmt::format("{} sent '{}', which only a source may say",
                                                        agreed_.to.text(), protocol::type_of(message)));
                 },
             },
             message);
}

void SourceDriver::hang_up(const Error& why) {
  inbox_.update([&](Inbox& inbox) { inbox.ended = why; });
  // While copying, the copier decides whether a new session may go on.
  if (!copying_ && !stop_.stopped()) tell(EventKind::kSessionLost, "the connection ended: " + why.message);
}

Status SourceDriver::say_begin(Conversation& talk, const Stop& stop) {
  {
    auto locked = talk_.lock();
    if (locked->begun) return {};
    locked->begun = true;
  }
  protocol::Request request = agreed_.request;
  request.clock_ms = static_cast<std::uint64_t>(options().clock->wall().time_since_epoch().count());
  SEALIFT_TRY_STATUS(talk.send(protocol::Begin{id(), request}, stop));
  return inbox_.wait(Deadline::in(kBeginPatience), stop,
                     [](const Inbox& inbox) { return inbox.receiving && inbox.accepted; });
}

void SourceDriver::begin_copy() {
  if (std::holds_alternative<custody::source::Copying>(state()))
    inbox_.update([](Inbox& inbox) { inbox.accepted = true; });
  if (copying_) return;
  if (copier_.joinable()) copier_.join();
  copying_ = true;
  copier_ = std::jthread([this] {
    if (agreed_.mode() == custody::MoveMode::kCold)
      copy_cold(copier_stop_.token());
    else
      copy_live(copier_stop_.token());
  });
}

void SourceDriver::stop_copying() {
  copier_stop_.stop();
  if (copier_.joinable()) copier_.join();
  copying_ = false;
}

Result<CopyPlan> SourceDriver::copy_plan(std::shared_ptr<Conversation> talk) {
  CopyPlan plan;
  plan.move = id();
  plan.agreed = &agreed_;
  plan.vm = SEALIFT_TRY(host().find(row_.vm.text()));
  plan.scratch = scratch();
  SEALIFT_TRY_STATUS(file::make_private_directory(plan.scratch));
  plan.guest_user = host().guest_user();
  plan.talk = std::move(talk);
  plan.inbox = &inbox_;
  plan.max_downtime_ms = &max_downtime_ms_;
  plan.update = [this](const std::function<void(MoveProgress&)>& change) { update(change); };
  return plan;
}

void SourceDriver::copy_cold(const Stop& stop) {
  const Deadline lonely = Deadline::in(kLonelyMax);
  while (true) {
    const Status copied = copy_cold_once(stop);
    copying_ = false;
    if (copied) return tell(EventKind::kPeerReady);
    if (stop.stopped()) return;
    if (!worth_another_session(copied.error().code) || lonely.passed())
      return tell(EventKind::kFailed, copied.error().message);
    copying_ = true;
    log_warning("move.session", {{"move", id().hex().substr(0, 12)}, {"lost", copied.error().message}});
    update([&](MoveProgress& p) { p.waiting = agreed_.to.text() + " to be reachable again"; });
    if (const auto talk = talk_.lock()->conversation) talk->session().abort(copied.error());
    if (stop.sleep(1s)) return;
    update([](MoveProgress& p) { p.waiting.clear(); });
  }
}

Status SourceDriver::copy_cold_once(const Stop& stop) {
  const auto talk = SEALIFT_TRY(converse(stop));
  SEALIFT_TRY_STATUS(say_begin(*talk, stop));
  auto plan = SEALIFT_TRY(copy_plan(talk));
  auto opened = SEALIFT_TRY(SourceCopy::open(std::move(plan)));
  const std::shared_ptr<SourceCopy> copy = std::move(opened);
  *copy_.lock() = copy;
  SEALIFT_TRY_STATUS(copy->copy_cold(stop));
  return inbox_.wait(Deadline::in(kReadyPatience), stop, [](const Inbox& inbox) { return inbox.ready; });
}

void SourceDriver::copy_live(const Stop& stop) {
  const Status copied = copy_live_once(stop);
  copying_ = false;
  if (copied) return tell(EventKind::kConverged);
  if (!stop.stopped()) tell(EventKind::kFailed, copied.error().message);
}

Status SourceDriver::copy_live_once(const Stop& stop) {
  const auto talk = SEALIFT_TRY(converse(stop));
  SEALIFT_TRY_STATUS(say_begin(*talk, stop));
  auto plan = SEALIFT_TRY(copy_plan(talk));
  auto opened = SEALIFT_TRY(SourceCopy::open(std::move(plan)));
  const std::shared_ptr<SourceCopy> copy = std::move(opened);
  *copy_.lock() = copy;
  return copy->copy_live(stop);
}

}  // namespace sealift::migrate
