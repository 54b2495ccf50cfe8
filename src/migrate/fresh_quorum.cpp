#include "migrate/fresh_quorum.hpp"

#include "ledger/ask_quorum.hpp"

namespace sealift::migrate {

namespace {

constexpr Milliseconds kAskPatience{2'000};

}  // namespace

FreshQuorum::FreshQuorum(ledger::Ledger& ledger, Random& random) {
  asker_ = std::jthread([this, &ledger, &random] {
    const Stop stop = stop_.token();
    while (!stop.stopped()) {
      const auto answer = ledger::ask_quorum_now(ledger, random, Deadline::in(kAskPatience), stop);
      {
        auto last = last_.lock();
        if (answer)
          last->answered = std::chrono::steady_clock::now();
        else
          last->failure = answer.error().message;
      }
      last_.notify_all();
      if (stop.sleep(kEvery)) return;
    }
  });
}

FreshQuorum::~FreshQuorum() {
  stop_.stop();
  last_.notify_all();
}

Status FreshQuorum::fresh(Milliseconds patience) {
  const auto is_fresh = [](const Last& last) {
    return last.answered && std::chrono::steady_clock::now() - *last.answered <= kFresh;
  };
  auto last = last_.lock();
  if (last.wait_until(std::chrono::steady_clock::now() + patience, is_fresh)) return {};
  return fail(Code::kUnavailable, "no quorum of the ledger answered just now{}{}",
              last->failure.empty() ? "" : ": ", last->failure);
}

}  // namespace sealift::migrate
