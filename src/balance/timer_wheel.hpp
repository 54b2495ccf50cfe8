#pragma once

// Time-outs of many connections. Activity only notes the time; when a connection's bucket comes up, it is
// looked at and put where it is due now. Only a new stage moves it at once. Milliseconds modulo 2^32.

#include <array>

#include "balance/connection.hpp"

namespace sealift::balance {

class TimerWheel {
 public:
  static constexpr std::uint32_t kTickMs = 50;
  static constexpr std::uint32_t kBuckets = 512;

  TimerWheel() { heads_.fill(kNobody); }

  // Due at active_ms + patience_ms, or looked at again when the wheel has gone round.
  void arm(Connections& all, std::uint32_t number, std::uint32_t now_ms) {
    disarm(all, number);
    Connection& c = all[number];
    const std::uint32_t left = c.active_ms + c.patience_ms - now_ms;
    const std::uint32_t due_in = static_cast<std::int32_t>(left) < 0 ? 0 : left / kTickMs + 1;
    const std::uint32_t ticks = std::min(std::max(due_in, 1U), kBuckets - 1);
    c.timer_bucket = static_cast<std::uint16_t>((tick_ + ticks) % kBuckets + 1);  // 0: in none
    std::uint32_t& head = heads_[c.timer_bucket - 1U];
    c.timer_next = head;
    c.timer_previous = kNobody;
    if (head != kNobody) all[head].timer_previous = number;
    head = number;
  }

  void disarm(Connections& all, std::uint32_t number) {
    Connection& c = all[number];
    if (c.timer_bucket == 0) return;
    if (c.timer_next != kNobody) all[c.timer_next].timer_previous = c.timer_previous;
    (c.timer_previous != kNobody ? all[c.timer_previous].timer_next : heads_[c.timer_bucket - 1U]) =
        c.timer_next;
    c.timer_bucket = 0;
  }

  // visit(number, expired) for each whose bucket is over; it is in no bucket then.
  template <class Visit>
  void advance(Connections& all, std::uint32_t now_ms, Visit visit) {
    for (unsigned turns = 0; turns < kBuckets && now_ms - at_ms_ >= kTickMs; ++turns) {
      at_ms_ += kTickMs;
      tick_ = (tick_ + 1) % kBuckets;
      while (heads_[tick_] != kNobody) {
        const std::uint32_t number = heads_[tick_];
        disarm(all, number);
        const Connection& c = all[number];
        visit(number, now_ms - c.active_ms >= c.patience_ms);
      }
    }
    if (now_ms - at_ms_ >= kTickMs) at_ms_ = now_ms;
  }

  void start(std::uint32_t now_ms) { at_ms_ = now_ms; }

 private:
  std::array<std::uint32_t, kBuckets> heads_;
  std::uint32_t tick_ = 0;
  std::uint32_t at_ms_ = 0;
};

}  // namespace sealift::balance
