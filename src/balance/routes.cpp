#include "balance/routes.hpp"

#include <algorithm>

namespace sealift::balance {

void Routes::add(const Network& network, std::uint32_t pool) {
  auto length = std::ranges::find(lengths_, network.bits, &Length::bits);
  if (length == lengths_.end()) length = lengths_.insert(length, Length{network.bits, {}});
  length->entries.push_back({network.ip, pool});
}

void Routes::seal() {
  std::ranges::sort(lengths_, std::greater{}, &Length::bits);
  for (Length& length : lengths_) std::ranges::sort(length.entries, {}, &Entry::ip);
}

std::optional<std::uint32_t> Routes::find(const Address& client) const {
  for (const Length& length : lengths_) {
    const auto ip = masked(client.ip, length.bits);
    const auto found = std::ranges::lower_bound(length.entries, ip, {}, &Entry::ip);
    if (found != length.entries.end() && found->ip == ip) return found->pool;
  }
  return std::nullopt;
}

}  // namespace sealift::balance
