#pragma once

// HAProxy's runtime API (management guide, 9.3 "Unix Socket commands"), as far as holding a server takes it:
// one command a connection, the answer ends with the connection. Checked against 2.6.
//
// A hold is `set maxconn server B/S 1`: what comes beyond one connection queues, for `timeout queue`. It ends
// with a positive number, and with the configured one when the queue is empty: 0 ("no limit") would leave the
// queue standing until it times out. `maxconn frontend` is never touched: raising it again killed 2.6.12.

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/stop.hpp"

namespace sealift::traffic {

struct HaproxyServer {
  std::string socket;  // path of the runtime API, with level admin
  std::string backend, server;
  std::string vm;  // name or id
  auto operator<=>(const HaproxyServer&) const = default;
};

struct HaproxyLimits {
  std::uint32_t connections_max = 0;  // 0: none
  std::uint32_t queued = 0;           // connections that wait for it, or for any server of its backend
};
// Of the answer to `show stat BACKEND 6 -1` (CSV with a head; servers and the backend itself): kNotFound when
// the server isn't in it.
Result<HaproxyLimits> parse_haproxy_stat(std::string_view answer, std::string_view backend,
                                         std::string_view server);
// Of `show servers state BACKEND`, version 1: are its health checks on?
Result<bool> parse_haproxy_checks(std::string_view answer, std::string_view backend, std::string_view server);

// Names as HAProxy takes them, so that none can be a second command.
bool good_haproxy_name(std::string_view name);

// kUnavailable: nobody answers at the socket; kRefused: what HAProxy said.
Result<HaproxyLimits> haproxy_limits(const HaproxyServer& server);
Result<bool> haproxy_checks(const HaproxyServer& server);
Status set_haproxy_connections_max(const HaproxyServer& server, std::uint32_t most);
Status set_haproxy_checks(const HaproxyServer& server, bool on);

}  // namespace sealift::traffic
