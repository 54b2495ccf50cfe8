#pragma once

// For tests: a TCP relay on loopback between the two ends of a session. It understands the outside of bulk
// connections (attachment, record headers) as an attacker on the path can, and hands every unit to a hook
// that may alter, repeat, hold back or drop it, or cut the connection. TLS passes as it comes.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "net/socket.hpp"
#include "transport/record.hpp"
#include "transport/test_pair.hpp"

namespace sealift::transport::testing {

enum class Way { kForward, kBack };  // dialler to listener, listener to dialler

struct Unit {
  enum class Kind { kTls, kAttachRequest, kAttachAnswer, kAttachProof, kRecord } kind = Kind::kTls;
  Way way = Way::kForward;
  std::size_t connection = 0;  // in the order of arrival
  std::uint16_t link = 0;      // of bulk connections
  RecordHeader header{};       // of records
  Bytes bytes{};               // what came
  std::vector<Bytes> out{};    // what goes on: `bytes` alone at first
  bool cut = false;            // both ways, after `out`
};

class Relay {
 public:
  using Hook = std::function<void(Unit&)>;  // one call at a time

  explicit Relay(net::Endpoint target, Hook hook = {});
  ~Relay();
  net::Endpoint endpoint() const { return {"127.0.0.1", listener_.port()}; }
  void set_hook(Hook hook);
  void cut_all();              // every connection that is open now
  void refuse(bool refusing);  // new connections are closed at once
  std::size_t connections() const;

 private:
  struct Pair;
  void accept_loop();
  void pump(const std::shared_ptr<Pair>& pair, Way way);
  Status pass(Pair& pair, Unit unit);

  net::Endpoint target_;
  net::TcpListener listener_;
  StopSource stop_;
  mutable std::mutex mutex_;
  std::mutex hook_mutex_;
  Hook hook_;
  bool refusing_ = false;
  std::vector<std::shared_ptr<Pair>> pairs_;  // shared with their two threads
  std::vector<std::jthread> threads_;
  std::jthread accepting_;
};

// A Pair whose connections all go through a relay.
struct RelayedPair : Pair {
  using Pair::Pair;
  ~RelayedPair() {
    initiator.reset();
    accepted.reset();
    stop_server();
  }
  void connect(Relay::Hook hook) {
    relay = std::make_unique<Relay>(endpoint(), std::move(hook));
    Pair::connect(relay->endpoint());
  }
  std::unique_ptr<Relay> relay;
};

}  // namespace sealift::transport::testing
