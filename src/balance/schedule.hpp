#pragma once

// Smooth weighted round robin as a table: in one pass of it server i stands exactly weight[i] times, spread
// as evenly as can be (its k-th turn is at (k + 1/2) / weight[i] of the pass; earliest first). Choosing is
// then one shared counter, exact over all threads.

#include <cstdint>
#include <span>
#include <vector>

namespace sealift::balance {

constexpr std::size_t kScheduleMax = 65536;  // entries; larger sums of weights are scaled down

// Positions in `weights`. Weights of 0 have no turn; a common divisor is taken out first.
std::vector<std::uint16_t> make_schedule(std::span<const std::uint32_t> weights);

}  // namespace sealift::balance
