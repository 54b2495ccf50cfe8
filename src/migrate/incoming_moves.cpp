#include "migrate/destination_driver.hpp"
#include "migrate/link_probe.hpp"
#include "migrate/move_manager_impl.hpp"

// Sessions that other members open: their questions are answered, and a move that the ledger has an offer of
// begins.

namespace sealift::migrate {

using namespace std::chrono_literals;

namespace {

constexpr Milliseconds kMessagePatience{120'000};  // between the checks and the final offer
constexpr Milliseconds kProbePatience{30'000};
constexpr Milliseconds kStartPatience{30'000};  // of this daemon, to have read its journal
constexpr Milliseconds kOfferPatience{30'000};  // until the offer that the source saw is final here too

}  // namespace

void MoveManager::Impl::serve(std::unique_ptr<transport::Session> session, const net::Hello& hello,
                              const Stop& stop) {
  const auto talk = std::make_shared<Conversation>(std::move(session));
  const auto peer = ledger::HostName::parse(hello.host_name);
  const auto member = peer ? options.ledger->final_state()->member(*peer) : std::nullopt;
  if (!member || member->info.key != talk->session().peer_key())
    return log_warning("move.stranger", {{"says", hello.host_name}});
  if (!started.lock().wait_until(std::chrono::steady_clock::now() + kStartPatience,
                                 [](bool is) { return is; }))
    return;
  std::optional<hypervisor::HypervisorFacts> theirs;
  bool probed = false;
  while (!stop.stopped() && !stopping.stopped()) {
    const auto message = talk->receive(Deadline::in(kMessagePatience), stop);
    if (!message) {
      if (message.error().code == Code::kInvalid || message.error().code == Code::kUnsupported)
        (void)talk->send(protocol::Cancelled{message.error().message}, stop);
      return;
    }
    if (const auto* check = std::get_if<protocol::Check>(&*message)) {
      protocol::Checked answer;
      answer.refused = check_incoming(check->request, check->facts, *peer, &answer.mapped).refused;
      answer.facts = options.host->facts();
      answer.clock_ms = static_cast<std::uint64_t>(options.clock->wall().time_since_epoch().count());
      theirs = check->facts;
      if (!talk->send(answer, stop)) return;
    } else if (const auto* probe = std::get_if<protocol::Probe>(&*message); probe != nullptr && !probed) {
      probed = true;
      if (!take_probe(talk->session(), static_cast<unsigned>(probe->streams), Deadline::in(kProbePatience),
                      stop))
        return;
    } else if (const auto* message_begin = std::get_if<protocol::Begin>(&*message)) {
      return begin(talk, *message_begin, *peer, theirs, stop);
    } else {
      return;
    }
  }
}

Verdict MoveManager::Impl::check_incoming(const protocol::Request& request,
                                          const hypervisor::HypervisorFacts& theirs,
                                          const ledger::HostName& peer, std::vector<std::string>* mapped) {
  DestinationFacts facts;
  facts.vm = &request.vm;
  facts.channels = request.channels;
  facts.source_clock_ms = request.clock_ms;
  facts.clock_ms = static_cast<std::uint64_t>(options.clock->wall().time_since_epoch().count());
  facts.state = options.ledger->final_state();
  facts.skew_ms = facts.state->policy().skew_ms;
  facts.self = options.self;
  facts.peer = peer;
  const auto unfinished = journal->unfinished(request.vm.id);
  facts.unfinished = unfinished.value_or(std::nullopt);
  for (const MoveProgress& move : moves())
    if (!move.ended && move.role == MoveRole::kDestination) ++facts.incoming;
  facts.incoming_max = options.incoming_max;
  const IncomingPlan plan = options.host->check_incoming(request.vm);
  if (mapped != nullptr) *mapped = plan.mapped;
  Verdict verdict = check_destination(facts, options.host->facts(), theirs, plan);
  verdict.check(unfinished.has_value(), unfinished ? "" : "its journal: " + unfinished.error().message);
  verdict.check(request.vm.from == peer, "the request names another source than the host that asks");
  return verdict;
}

// The final offer decides, not the message.
Result<Agreed> MoveManager::Impl::agree(const protocol::Begin& begin, const ledger::HostName& peer,
                                        const Stop& stop) {
  const Deadline deadline = Deadline::in(kOfferPatience);
  std::uint64_t height = options.ledger->final_height();  // before the state: ledger.hpp says why
  auto state = options.ledger->final_state();
  while (!state->move(begin.move)) {
    const auto beyond = options.ledger->wait_beyond(height, Deadline::in(500ms), stop);
    if (!beyond && beyond.error().code == Code::kCancelled) return std::unexpected(beyond.error());
    if (deadline.passed())
      return fail(Code::kTimeout, "the offer of move {} is not final here", begin.move.hex());
    height = options.ledger->final_height();
    state = options.ledger->final_state();
  }
  const auto offered = state->move(begin.move);
  Agreed agreed;
  agreed.request = begin.request;
  agreed.domain = state->domain();
  agreed.from = peer;
  agreed.to = options.self;
  agreed.epoch = offered->epoch;
  agreed.deadline_ms = offered->deadline_ms;
  agreed.streams = begin.request.channels;
  SEALIFT_TRY_STATUS(compare_offer(*offered, agreed));
  if (offered->status != ledger::MoveStatus::kOffered)
    return fail(Code::kRefused, "move {} is {} already", begin.move.hex(), to_string(offered->status));
  return agreed;
}

void MoveManager::Impl::begin(const std::shared_ptr<Conversation>& talk, const protocol::Begin& begin,
                              const ledger::HostName& peer,
                              const std::optional<hypervisor::HypervisorFacts>& theirs, const Stop& stop) {
  const auto refuse = [&](const std::string& reason) {
    log_warning("move.not_begun",
                {{"move", begin.move.hex().substr(0, 12)}, {"from", peer.text()}, {"reason", reason}});
    (void)talk->send(protocol::Cancelled{reason}, stop);
    (void)talk->session().close(Deadline::in(5s), stop);
  };
  if (const auto known = driver(begin.move)) {
    const auto incoming = std::dynamic_pointer_cast<DestinationDriver>(known);
    if (!incoming || incoming->done() || incoming->agreed().from != peer)
      return refuse("the move is over here");
    return incoming->serve(talk, stop);
  }
  auto agreed = agree(begin, peer, stop);
  if (!agreed) return refuse(agreed.error().message);
  // Also without a question before it in this session: [accept] and the space here are not the peer's to
  // skip.
  const Verdict verdict =
      check_incoming(begin.request, theirs ? *theirs : options.host->facts(), peer, nullptr);
  if (!verdict.refused.empty()) return refuse(verdict.refused.front());
  MoveRow row;
  row.id = begin.move;
  row.role = MoveRole::kDestination;
  row.vm = begin.request.vm.id;
  row.agreed = encode_agreed(*agreed);
  row.state = custody::destination::encode(custody::destination::Accepting{});
  row.began_ms = static_cast<std::uint64_t>(options.clock->wall().time_since_epoch().count());
  const Status kept = journal->add(row);
  if (!kept) return refuse(kept.error().message);
  row.state.clear();  // the driver begins
  const auto incoming = std::make_shared<DestinationDriver>(around, std::move(row), std::move(*agreed));
  run(incoming);
  incoming->serve(talk, stop);
}

}  // namespace sealift::migrate
