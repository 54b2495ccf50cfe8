#pragma once

// "Answers of a quorum of the ledger arrived within the last 200 ms": asked again and again while the guest
// stands still, on a thread of its own, so that the check before the seal costs no round trip. A host that
// cannot reach the ledger must not seal: it would wait frozen for an answer that does not come.

#include <thread>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "ledger/ledger.hpp"

namespace sealift::migrate {

class FreshQuorum {
 public:
  FreshQuorum(ledger::Ledger& ledger, Random& random);  // starts to ask
  ~FreshQuorum();
  FreshQuorum(const FreshQuorum&) = delete;
  FreshQuorum& operator=(const FreshQuorum&) = delete;

  // Waits at most `patience` for an answer that arrived at most kFresh ago. kUnavailable.
  Status fresh(Milliseconds patience);

  static constexpr Milliseconds kFresh{200};
  static constexpr Milliseconds kEvery{50};

 private:
  struct Last {
    std::optional<SteadyTime> answered;
    std::string failure;
  };
  StopSource stop_;
  Guarded<Last> last_;
  std::jthread asker_;
};

}  // namespace sealift::migrate
