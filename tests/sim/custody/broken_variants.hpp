#pragma once

// Machines that break one rule each. The simulation must find every one of them: that is what it is for.

#include <ostream>
#include <string>
#include <vector>

#include "world.hpp"

namespace sealift::sim {

struct BrokenVariant {
  std::string name;
  Machines machines;
};
inline void PrintTo(const BrokenVariant& variant, std::ostream* out) {
  *out << variant.name;
}
std::vector<BrokenVariant> broken_variants();

}  // namespace sealift::sim
