// A server's answers to health checks: at the end of an answer there is a verdict.

#include <cstdlib>

#include "balance/probe.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  if (size > balance::kAnswerBytesMax) return 0;
  for (const auto kind : {balance::CheckKind::kHttp, balance::CheckKind::kTls, balance::CheckKind::kTcp}) {
    balance::HealthSpec spec;
    spec.kind = kind;
    balance::judge_health(spec, ByteView(data, size), false);
    if (balance::judge_health(spec, ByteView(data, size), true).answer == balance::Answer::kMore)
      std::abort();
  }
  return 0;
}
