#pragma once

// One TLS connection of a ControlChannel, while it lasts. Internal to control_*.cpp.

#include "transport/control_channel.hpp"

namespace sealift::transport {

struct ControlChannel::Connection {
  net::TlsStream stream;
  bool ended = false;
  SteadyTime last_write = std::chrono::steady_clock::now();
};

}  // namespace sealift::transport
