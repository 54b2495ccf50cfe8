// The nonce that a quorum answers: it goes out with the followers' news and comes back with their next
// request.
#include <algorithm>

#include "domain/answer.hpp"
#include "domain/server.hpp"

namespace sealift::domain {
namespace {

constexpr Milliseconds kSlice{100};  // how soon a Stop is noticed
constexpr std::size_t kOpenAsksMax = 64;

}  // namespace

Result<std::vector<Bytes>> Server::ask(ByteView nonce, ByteView askers, Deadline deadline, const Stop& stop) {
  SEALIFT_TRY_STATUS(replica_.check_halted());
  if (nonce.empty() || nonce.size() > kNonceBytesMax)
    return fail(Code::kInvalid, "a nonce has 1 to {} bytes", kNonceBytesMax);
  std::uint64_t id = 0;
  {
    auto hub = hub_.lock();
    if (hub->asks.size() >= kOpenAsksMax)
      return fail(Code::kExhausted, "{} questions are open already", kOpenAsksMax);
    id = ++hub->next_ask;
    OpenAsk& ask = hub->asks[id];
    ask.nonce.assign(nonce.begin(), nonce.end());
    ask.answers[replica_.self()] = replica_.answer(nonce);
    if (const auto answer = parse_answer(askers))
      ask.answers[answer->answer.member].assign(askers.begin(), askers.end());
    ++hub->version;
  }
  hub_.notify_all();
  std::size_t before = 0;  // answers looked at
  bool closed = false;
  std::vector<Answer> good;
  std::vector<Bytes> answers;
  const ledger::MemberSet set = replica_.chain().final_state()->member_set();
  for (;;) {
    {
      auto hub = hub_.lock();
      const SteadyTime end = deadline.sooner(std::chrono::steady_clock::now() + kSlice);
      hub.wait_until(end, [&](const Hub& h) { return h.closed || h.asks.at(id).answers.size() != before; });
      closed = hub->closed;
      before = hub->asks.at(id).answers.size();
      answers.clear();
      for (const auto& [name, answer] : hub->asks.at(id).answers) answers.push_back(answer);
    }
    good = verified_answers(answers, set, replica_.domain(), nonce);
    if (good.size() >= set.quorum() || closed || stop.stopped() || deadline.passed()) break;
  }
  hub_.lock()->asks.erase(id);
  SEALIFT_TRY_STATUS(check_quorum(good, set));
  return answers;
}

}  // namespace sealift::domain
