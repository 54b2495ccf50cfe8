#pragma once

// A bit per item, set and cleared by several threads at once.

#include <atomic>
#include <bit>
#include <cstdint>
#include <vector>

namespace sealift::image {

class AtomicBits {
 public:
  explicit AtomicBits(std::uint64_t bits) : words_((bits + 63) / 64) {}

  bool test(std::uint64_t bit) const { return (words_[bit / 64].load() & mask(bit)) != 0; }
  bool set(std::uint64_t bit) {  // true: it was clear
    return (words_[bit / 64].fetch_or(mask(bit)) & mask(bit)) == 0;
  }
  bool reset(std::uint64_t bit) {  // true: it was set
    return (words_[bit / 64].fetch_and(~mask(bit)) & mask(bit)) != 0;
  }
  void clear_all() {
    for (auto& word : words_) word = 0;
  }
  // Clears all, and calls found(bit) for each that was set, ascending.
  template <class Found>
  void drain(Found found) {
    for (std::size_t word = 0; word < words_.size(); ++word) {
      for (std::uint64_t bits = words_[word].exchange(0); bits != 0; bits &= bits - 1) {
        found(word * 64 + static_cast<std::uint64_t>(std::countr_zero(bits)));
      }
    }
  }

 private:
  static std::uint64_t mask(std::uint64_t bit) { return std::uint64_t{1} << (bit % 64); }
  std::vector<std::atomic<std::uint64_t>> words_;
};

}  // namespace sealift::image
