#include "balance/schedule.hpp"

#include <algorithm>
#include <numeric>
#include <queue>

#include "base/check.hpp"

namespace sealift::balance {

namespace {

std::vector<std::uint64_t> reduced(std::span<const std::uint32_t> weights) {
  std::vector<std::uint64_t> out(weights.begin(), weights.end());
  std::uint64_t divisor = 0;
  for (const std::uint64_t weight : out) divisor = std::gcd(divisor, weight);
  std::uint64_t sum = 0;
  for (std::uint64_t& weight : out) sum += weight /= std::max<std::uint64_t>(divisor, 1);
  // Rounded to the nearest, at least 1: small weights are never starved. Servers number far less than
  // entries.
  if (sum > kScheduleMax)
    for (std::uint64_t& weight : out)
      if (weight != 0) weight = std::max<std::uint64_t>(1, (weight * (kScheduleMax / 2) + sum / 2) / sum);
  return out;
}

struct Turn {
  std::uint64_t halves;  // 2k + 1: the turn is due at halves / (2 weight)
  std::uint64_t weight;
  std::uint16_t server;
  bool operator<(const Turn& other) const {  // as a max heap: the later one is "less"
    const std::uint64_t left = halves * other.weight;
    const std::uint64_t right = other.halves * weight;
    return left != right ? left > right : server > other.server;
  }
};

}  // namespace

std::vector<std::uint16_t> make_schedule(std::span<const std::uint32_t> weights) {
  SEALIFT_CHECK(weights.size() <= kScheduleMax / 2);
  const std::vector<std::uint64_t> shares = reduced(weights);
  std::priority_queue<Turn> turns;
  for (std::size_t i = 0; i < shares.size(); ++i)
    if (shares[i] != 0) turns.push({1, shares[i], static_cast<std::uint16_t>(i)});
  std::vector<std::uint16_t> schedule;
  schedule.reserve(std::accumulate(shares.begin(), shares.end(), std::size_t{0}));
  while (!turns.empty()) {
    Turn turn = turns.top();
    turns.pop();
    schedule.push_back(turn.server);
    turn.halves += 2;
    if (turn.halves < 2 * turn.weight) turns.push(turn);
  }
  return schedule;
}

}  // namespace sealift::balance
