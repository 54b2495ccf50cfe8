#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace sealift::detail {

void check_failed(const char* file, int line, const char* condition) noexcept {
  std::fprintf(stderr, "sealift: internal error at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace sealift::detail
