#pragma once

// What the loops know of pools and servers. A Snapshot is immutable and shared: a loop takes the newest one
// between two rounds, the control thread makes the next (registry.hpp). What changes with each connection are
// the atomics of PoolLive and ServerLive, which live on from snapshot to snapshot.

#include <array>
#include <atomic>
#include <memory>

#include "balance/config.hpp"
#include "balance/rendezvous.hpp"
#include "balance/routes.hpp"

namespace sealift::balance {

struct ServerLive {
  explicit ServerLive(std::uint16_t slot_number) : slot(slot_number) {}
  const std::uint16_t slot;  // of PoolLive::active
  std::atomic<std::uint64_t> connections{0}, connects_failed{0};
  std::atomic<std::uint64_t> bytes_in{0}, bytes_out{0};  // from clients, to clients; of closed connections
  std::atomic<std::uint32_t> failures_in_row{0};
  std::atomic<std::uint32_t> held{0};            // connections that wait for exactly this server
  std::atomic<std::int64_t> release_next_us{0};  // pace of a release: when the next one may go
};

struct PoolLive {
  std::array<std::atomic<std::uint32_t>, kServersMax> active{};  // connections by server slot
  std::atomic<std::uint64_t> cursor{0};                          // of the round robin
  std::atomic<std::uint32_t> waiting{0};
  std::atomic<std::uint64_t> waited{0}, wait_timeouts{0}, refused{0};
};

// kHeld: new connections wait. kReleasing: those that waited go, at a measured pace, new ones behind them.
enum class Gate : std::uint8_t { kOpen, kHeld, kReleasing };

struct ServerView {
  ServerSpec spec;
  std::shared_ptr<ServerLive> live;  // shared: with the registry, older snapshots and open connections
  Gate gate = Gate::kOpen;
  std::uint32_t weight = 0;  // what counts now; 0: takes no new connections
};

struct PoolView {
  PoolSpec spec;
  std::shared_ptr<PoolLive> live;
  std::vector<ServerView> servers;
  // Those that new connections may go to now; as parallel arrays, read on every choice.
  std::vector<std::uint16_t> candidates;  // positions in servers
  std::vector<std::uint16_t> slots;
  std::vector<std::uint32_t> costs;              // kCostScale / weight
  std::vector<std::uint32_t> limits;             // at most so many connections
  std::vector<std::uint16_t> schedule;           // positions in candidates
  std::shared_ptr<const RendezvousTable> table;  // over candidates; shared with the next snapshot
  std::uint64_t weight_sum = 0;

  // Fills the arrays from servers. Backup servers count when no other can; held ones where no other is open,
  // or where clients stick to their server.
  void index(const std::shared_ptr<const RendezvousTable>& previous);
};

struct ListenerView {
  ListenerSpec spec;
  Routes routes;
  std::uint32_t pool = 0;  // kNoPool: clients of no route are closed
};
constexpr std::uint32_t kNoPool = 0xffffffff;

struct Snapshot {
  std::uint64_t generation = 0;
  std::vector<std::unique_ptr<const PoolView>> pools;  // by id, ids are never used again; null: removed
  std::vector<ListenerView> listeners;
  const PoolView* pool(std::uint32_t id) const { return id < pools.size() ? pools[id].get() : nullptr; }
};

}  // namespace sealift::balance
