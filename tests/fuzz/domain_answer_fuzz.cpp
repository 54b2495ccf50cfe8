// A member's signed answer to a nonce.
#include "domain/answer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(sealift::domain::parse_answer({data, size}));
  return 0;
}
