#pragma once

// Pools by client network: the longest prefix that holds the client decides. One sorted list per prefix
// length, longest first; a lookup is a binary search in each.

#include <cstdint>
#include <optional>
#include <vector>

#include "balance/address.hpp"

namespace sealift::balance {

class Routes {
 public:
  void add(const Network& network, std::uint32_t pool);  // then seal() once; networks are distinct
  void seal();
  std::optional<std::uint32_t> find(const Address& client) const;

 private:
  struct Entry {
    std::array<std::uint8_t, 16> ip;
    std::uint32_t pool;
  };
  struct Length {
    unsigned bits;
    std::vector<Entry> entries;
  };
  std::vector<Length> lengths_;
};

}  // namespace sealift::balance
