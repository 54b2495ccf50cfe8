// Fresh reads: a quorum's answers to a nonce. Through the server, which holds a connection of every member;
// when it does not answer, from every member by its own address.
#include <algorithm>
#include <thread>

#include "domain/answer.hpp"
#include "domain/node_impl.hpp"

namespace sealift::domain {
namespace {

constexpr Milliseconds kServerWait{2'000};  // before the members are asked directly
constexpr Milliseconds kMembersWait{3'000};
constexpr Milliseconds kSlice{50};  // how soon a Stop is noticed

Result<std::vector<Bytes>> ask_server(Core& core, ByteView nonce, ByteView own, Deadline deadline,
                                      const Stop& stop) {
  const Milliseconds wait = deadline.left(kServerWait);
  const AskRequest request{Bytes(nonce.begin(), nonce.end()), Bytes(own.begin(), own.end()),
                           static_cast<std::uint64_t>(wait.count())};
  const Json result =
      SEALIFT_TRY(core.follow().call("ledger.ask", to_json(request), Deadline::in(wait), stop));
  std::vector<Bytes> answers = SEALIFT_TRY(parse_ask_result(result)).answers;
  answers.push_back(Bytes(own.begin(), own.end()));
  return answers;
}

// All at once, until a majority of the set has answered.
Result<std::vector<Bytes>> ask_members(Core& core, const ledger::MemberSet& set, ByteView nonce, ByteView own,
                                       Deadline deadline, const Stop& stop) {
  struct Heard {
    std::vector<Bytes> answers;
    std::size_t open = 0;
  };
  Guarded<Heard> heard;
  heard.lock()->answers.push_back(Bytes(own.begin(), own.end()));
  StopSource enough;
  const Deadline end = deadline.within(kMembersWait);
  std::vector<std::jthread> askers;
  for (const crypto::NamedKey& member : set.members) {
    auto name = ledger::HostName::parse(member.name);
    if (!name || *name == core.replica().self()) continue;
    ++heard.lock()->open;
    askers.emplace_back([&, name = std::move(*name)] {
      const AskRequest request{Bytes(nonce.begin(), nonce.end()), Bytes(own.begin(), own.end()), 0};
      const auto result =
          core.follow().call_member(name, "ledger.answer", to_json(request), end, enough.token());
      auto parsed = result ? parse_ask_result(*result) : std::unexpected(result.error());
      {
        auto locked = heard.lock();
        --locked->open;
        if (parsed) std::ranges::move(parsed->answers, std::back_inserter(locked->answers));
      }
      heard.notify_all();
    });
  }
  std::vector<Answer> good;
  std::vector<Bytes> answers;
  for (std::size_t seen = 0;;) {
    std::size_t open = 0;
    bool fresh = false;
    {
      auto locked = heard.lock();
      locked.wait_until(std::chrono::steady_clock::now() + kSlice,
                        [&](const Heard& h) { return h.answers.size() != seen || h.open == 0; });
      open = locked->open;
      fresh = locked->answers.size() != seen;
      if (fresh) answers = locked->answers;
      seen = answers.size();
    }
    if (fresh) good = verified_answers(answers, set, core.replica().domain(), nonce);
    if (good.size() >= set.quorum() || open == 0 || stop.stopped() || core.stopped()) break;
  }
  enough.stop();
  askers.clear();  // joins
  SEALIFT_TRY_STATUS(check_quorum(good, set));
  return answers;
}

// A block that a member has cosigned may lack signatures here that other members hold.
void gather_signatures(Core& core, const std::vector<Answer>& answers, std::uint64_t height,
                       const Stop& stop) {
  for (const Answer& answer : answers) {
    if (core.chain().final_height() >= height || stop.stopped()) return;
    if (answer.member != core.replica().self())
      static_cast<void>(core.compare_with(answer.member, Deadline::in(kMembersWait), stop));
  }
}

}  // namespace

Result<std::vector<Bytes>> Node::Impl::quorum_answers(Core& core, const ledger::MemberSet& set,
                                                      ByteView nonce, Deadline deadline, const Stop& stop) {
  const Bytes own = core.replica().answer(nonce);
  if (core.serving()) return core.server().ask(nonce, own, deadline, stop);
  const bool others = set.members.size() > 2;  // of two, the other one is the server
  for (;;) {
    auto answers = ask_server(core, nonce, own, deadline, stop);
    const bool silent =
        !answers && (answers.error().code == Code::kUnavailable || answers.error().code == Code::kTimeout);
    if (!silent) return answers;
    if (others) {
      auto direct = ask_members(core, set, nonce, own, deadline, stop);
      if (direct) return direct;
      answers = fail(direct.error().code, "{}; asked directly, {}", answers.error().message,
                     direct.error().message);
    }
    if (deadline.passed() || stop.stopped() || core.stopped()) return answers;
    stop.sleep(kSlice);
  }
}

Result<Json> Node::Impl::answer(const Json& params) {
  const auto held = SEALIFT_TRY(core());
  SEALIFT_TRY_STATUS(held->check_active());
  const AskRequest request = SEALIFT_TRY(parse_ask_request(params));
  return to_json(AskResult{{held->replica().answer(request.nonce)}});
}

Result<ledger::QuorumAnswer> Node::ask_quorum(ByteView nonce, Deadline deadline, const Stop& stop) {
  const auto core = SEALIFT_TRY(impl_->core());
  SEALIFT_TRY_STATUS(core->check_active());
  ledger::Chain& chain = core->chain();
  // Counted by the set that counts once everything they have cosigned is final here.
  ledger::MemberSet set = chain.final_state()->member_set();
  const auto answers = SEALIFT_TRY(impl_->quorum_answers(*core, set, nonce, deadline, stop));
  for (;;) {
    const std::vector<Answer> good = verified_answers(answers, set, core->replica().domain(), nonce);
    SEALIFT_TRY_STATUS(check_quorum(good, set));
    ledger::QuorumAnswer answer;
    for (const Answer& one : good) {
      answer.height = std::max(answer.height, one.height);
      answer.term = std::max(answer.term, one.term);
      answer.answered.push_back(one.member);
    }
    if (answer.height > chain.final_height()) {
      if (!core->serving() && !core->follow().connected())
        gather_signatures(*core, good, answer.height, stop);
      SEALIFT_TRY(wait_beyond(answer.height - 1, deadline, stop));
    }
    const ledger::MemberSet now = chain.final_state()->member_set();
    if (now == set) return answer;
    set = now;
  }
}

}  // namespace sealift::domain
