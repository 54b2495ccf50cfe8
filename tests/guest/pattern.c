#include "guest.h"

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93ULL;
  return x ^ (x >> 29);
}

static uint64_t start(uint64_t seed, uint64_t index, uint64_t generation) {
  return mix(mix(mix(seed + 1) + index + 1) + generation + 1);
}

void pattern_fill(uint64_t* words, size_t count, uint64_t seed, uint64_t index, uint64_t generation) {
  const uint64_t base = start(seed, index, generation);
  for (size_t i = 0; i < count; ++i) words[i] = mix(base + i);
}

size_t pattern_check(const uint64_t* words, size_t count, uint64_t seed, uint64_t index,
                     uint64_t generation) {
  const uint64_t base = start(seed, index, generation);
  for (size_t i = 0; i < count; ++i) {
    if (words[i] != mix(base + i)) return i;
  }
  return count;
}
