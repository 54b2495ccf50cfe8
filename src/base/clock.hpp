#pragma once

// The clock and randomness seams. Core logic never asks the system: it takes these, so that tests and the
// simulation are deterministic.

#include <chrono>
#include <cstdint>

#include "base/bytes.hpp"

namespace sealift {

using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  virtual std::chrono::steady_clock::time_point steady() const = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(MutableByteView out) = 0;
};

Clock& system_clock();
Random& system_random();  // getrandom(2)

// Deterministic, for tests and simulation only (SplitMix64): never for keys.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(MutableByteView out) override;
  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound);  // uniform enough; bound > 0

 private:
  std::uint64_t state_;
};

// A clock that moves only when told.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime start = WallTime{std::chrono::seconds{1'800'000'000}}) : wall_(start) {}
  WallTime wall() const override { return wall_; }
  std::chrono::steady_clock::time_point steady() const override { return steady_; }
  void advance(std::chrono::milliseconds by) { wall_ += by, steady_ += by; }

 private:
  WallTime wall_;
  std::chrono::steady_clock::time_point steady_{};
};

std::string to_iso8601(WallTime time);  // 2026-11-24T08:45:55.123Z

}  // namespace sealift
