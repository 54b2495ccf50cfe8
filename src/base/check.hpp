#pragma once

// SEALIFT_CHECK: programmer error, always on, aborts with file, line and condition. Never on input: bad input
// is a value (Result). Neither is ever taken for the other.

namespace sealift::detail {
[[noreturn]] void check_failed(const char* file, int line, const char* condition) noexcept;
}

#define SEALIFT_CHECK(condition) \
  do { \
    if (!(condition)) [[unlikely]] { \
      ::sealift::detail::check_failed(__FILE__, __LINE__, #condition); \
    } \
  } while (false)
