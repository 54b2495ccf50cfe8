#pragma once

// Amounts as people read them: for screens, errors, reports.

#include <cstdint>
#include <string>

namespace sealift {

std::string human_bytes(std::uint64_t bytes);            // 1.5 GiB
std::string human_rate(std::uint64_t bytes_per_second);  // 1.5 GiB/s
std::string human_seconds(double seconds);               // 41 ms, 3.2 s, 3:04, 1:02:03

}  // namespace sealift
