#pragma once

// Where a move's thread waits: events from its workers and its peer, and pokes ("look at the ledger").

#include <deque>
#include <optional>

#include "base/guarded.hpp"
#include "base/stop.hpp"

namespace sealift::migrate {

template <class Event>
class EventBox {
 public:
  void push(Event event) {
    box_.lock()->events.push_back(std::move(event));
    box_.notify_all();
  }
  void poke() {
    box_.lock()->poked = true;
    box_.notify_all();
  }
  std::optional<Event> try_pop() {
    auto box = box_.lock();
    return take(*box);
  }
  // The next event; nothing when poked or at the deadline.
  std::optional<Event> pop(SteadyTime deadline) {
    auto box = box_.lock();
    box.wait_until(deadline, [](const Box& b) { return b.poked || !b.events.empty(); });
    box->poked = false;
    return take(*box);
  }

 private:
  struct Box {
    std::deque<Event> events;
    bool poked = false;
  };
  static std::optional<Event> take(Box& box) {
    if (box.events.empty()) return std::nullopt;
    Event event = std::move(box.events.front());
    box.events.pop_front();
    return event;
  }
  Guarded<Box> box_;
};

}  // namespace sealift::migrate
