// Nanoseconds of CPU time to choose among 1,000 servers, one JSON object: {"round-robin": ns, …}.

#include <ctime>
#include <random>

#include "balance/choose.hpp"
#include "base/json.hpp"

int main() {
  using namespace sealift;
  using namespace sealift::balance;
  constexpr std::size_t kServers = 1000, kChoices = 200'000;
  Json out = Json::object();
  std::mt19937_64 random(1);
  for (const Algorithm algorithm : {Algorithm::kRoundRobin, Algorithm::kLeastConnections,
                                    Algorithm::kPowerOfTwo, Algorithm::kLeastLoad, Algorithm::kIpHash}) {
    PoolView pool;
    pool.spec.algorithm = algorithm;
    pool.live = std::make_shared<PoolLive>();
    for (std::size_t i = 0; i < kServers; ++i) {
      ServerView& server = pool.servers.emplace_back();
      server.spec.name = "server-" + std::to_string(i);
      server.live = std::make_shared<ServerLive>(static_cast<std::uint16_t>(i));
      server.weight = 100;
      pool.live->active[i] = static_cast<std::uint32_t>(random() % 100);
    }
    pool.index(nullptr);
    std::vector<Address> clients(4096);
    for (Address& client : clients)
      client.ip =
          Address::parse(fmt::format("10.{}.{}.{}:1", random() % 256, random() % 256, random() % 256))->ip;
    std::uint64_t sum = 0;
    const std::clock_t begun = std::clock();
    for (std::size_t i = 0; i < kChoices; ++i) {
      const std::uint64_t key = client_key(pool.spec, clients[i % clients.size()]);
      sum += choose(pool, key, {}, mix(i)).server;
    }
    const double took = static_cast<double>(std::clock() - begun) * 1e9 / CLOCKS_PER_SEC;
    out[std::string(to_string(algorithm))] = took / kChoices + (sum == 0 ? 1e9 : 0);
  }
  fmt::print("{}\n", json::dump(out));
}
