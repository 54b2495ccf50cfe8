#pragma once

// One TCP connection of a Link, while it lasts. Internal to link*.cpp.

#include "transport/link.hpp"

namespace sealift::transport {

struct Link::Connection {
  net::TcpStream stream;
  crypto::Sealer sealer;   // link records, this end's
  crypto::Opener opener;   // link records, the other end's
  std::uint64_t sent = 0;  // link records so far
  std::uint64_t received = 0;
  bool resumed = false;  // the other side has said where it is
  bool ended = false;    // lost, or replaced by another one
  SteadyTime last_write = std::chrono::steady_clock::now();
};

}  // namespace sealift::transport
