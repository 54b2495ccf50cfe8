#pragma once

// What the peer has said so far in this session, for whoever waits for it.

#include <functional>
#include <optional>

#include "base/guarded.hpp"
#include "base/stop.hpp"
#include "migrate/protocol.hpp"

namespace sealift::migrate {

struct Inbox {
  bool accepted = false;  // source: the ledger says so
  bool receiving = false;
  bool ready = false;
  std::uint64_t round_durable = 0;       // source: highest that the destination made durable
  std::optional<protocol::Round> round;  // destination: the last one announced
  std::optional<protocol::Timing> timing;
  std::optional<Error> ended;  // the session is over
};

class PeerInbox {
 public:
  void update(const std::function<void(Inbox&)>& change) {
    change(*inbox_.lock());
    inbox_.notify_all();
  }
  Inbox get() { return *inbox_.lock(); }
  // kCancelled by stop; kTimeout; the session's end; otherwise ready(inbox) holds.
  Status wait(Deadline deadline, const Stop& stop, const std::function<bool(const Inbox&)>& ready) {
    while (true) {
      auto inbox = inbox_.lock();
      const SteadyTime slice = std::chrono::steady_clock::now() + Milliseconds{100};
      inbox.wait_until(deadline.sooner(slice), [&](const Inbox& i) { return i.ended || ready(i); });
      if (ready(*inbox)) return {};
      if (inbox->ended) return std::unexpected(*inbox->ended);
      if (stop.stopped()) return fail(Code::kCancelled, "stopped");
      if (deadline.passed()) return fail(Code::kTimeout, "the other side did not answer in time");
    }
  }

 private:
  Guarded<Inbox> inbox_;
};

}  // namespace sealift::migrate
