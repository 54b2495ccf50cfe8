#pragma once

// How many connections a host holds, and whose. Everything that arrives is counted from its first moment: all
// together, those whose peer is not known yet (also by where they come from, so that one machine cannot take
// every place), and the known ones by their key. A place is given back when its Ticket ends.

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/guarded.hpp"
#include "crypto/identity.hpp"

namespace sealift::net {

struct AdmissionLimits {
  std::size_t connections_max = 256;            // all of them, one thread each
  std::size_t unauthenticated_max = 64;         // before authorisation, bulk ones included
  std::size_t unauthenticated_per_source = 24;  // more than one session's connections at once (17)
  std::size_t connections_per_peer = 64;        // over TLS, by key
};

class Admission {
 public:
  explicit Admission(AdmissionLimits limits) : limits_(limits) {}

  class Ticket {
   public:
    Ticket(Admission& admission, std::string source) : admission_(admission), source_(std::move(source)) {}
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    ~Ticket();
    // From now on it counts as a known peer's; without a key (bulk connections: their session is bounded)
    // only among all. False: that peer holds its share already.
    bool authenticated(const std::optional<crypto::PublicKey>& peer);

   private:
    Admission& admission_;
    const std::string source_;
    bool known_ = false;
    std::optional<crypto::PublicKey> peer_;
  };

  // source: as TcpStream::source() has it. Nothing: full, the connection is to be closed at once.
  std::unique_ptr<Ticket> enter(std::string source);
  std::size_t connections() const;

 private:
  struct State {
    std::size_t connections = 0;
    std::size_t unauthenticated = 0;
    std::map<std::string, std::size_t> by_source;  // unauthenticated
    std::map<crypto::PublicKey, std::size_t> by_peer;
  };
  const AdmissionLimits limits_;
  mutable Guarded<State> state_;
};

}  // namespace sealift::net
