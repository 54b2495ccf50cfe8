#pragma once

// Chooses a server for one new connection: under 1 us with 1,000 servers, an IP hash under 100 ns.

#include <span>

#include "balance/pool.hpp"

namespace sealift::balance {

enum class Verdict : std::uint8_t {
  kServer,  // this one
  kWait,    // servers are there, but held or at their limit: `server` is the one where only one will do
  kNone,    // nobody is up
};

struct Choice {
  Verdict verdict = Verdict::kNone;
  std::uint16_t server = 0;  // position in PoolView::servers
  bool only = false;         // with kWait: this server and no other
};

// What an IP hash goes by: the client's prefix.
std::uint64_t client_key(const PoolSpec& pool, const Address& client);

// tried: slots of servers that just failed for this connection. random: fresh 64 bits, for power of two.
// Counts nothing: who takes the answer calls acquire().
Choice choose(const PoolView& pool, std::uint64_t key, std::span<const std::uint16_t> tried,
              std::uint64_t random);

// One more connection on that server, unless it is at its limit.
bool acquire(const PoolView& pool, const ServerView& server);
void release(PoolLive& pool, const ServerLive& server);  // `server` may be gone from here on

}  // namespace sealift::balance
