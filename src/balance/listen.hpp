#pragma once

// Listening sockets, and handing them to the next process: no client is refused while the balancer restarts.
//
// The old balancer serves a unix socket. Whoever connects gets messages of up to 32 descriptors each; the
// text of a message is {"listeners": [name per descriptor], "more": bool, "state": …} behind a u32 length.
// The new one answers one byte 'R' when it accepts connections itself; the old one then stops accepting,
// gives up its control socket, answers 'D' and goes on with its open connections. No 'R': the old one goes on
// as before.

#include <functional>

#include "balance/loop.hpp"
#include "base/json.hpp"
#include "net/socket.hpp"

namespace sealift::balance {

Result<UniqueFd> open_listener(const Address& address);

struct Inheritance {
  std::vector<ListenSocket> sockets;
  Json state;  // Registry::commands()
};

// The new side's end: receive(), start everything, then ready().
class Heir {
 public:
  // kNotFound, kUnavailable: nobody hands anything over there.
  static Result<Heir> connect(const file::Path& path);
  explicit Heir(net::UnixStream stream) : stream_(std::move(stream)) {}
  Result<Inheritance> receive();
  Status ready();

 private:
  net::UnixStream stream_;
};

// The old side's: serves one heir; true when it has taken over (on_ready was called and answered).
Result<bool> bequeath(net::UnixStream& heir, const std::vector<std::pair<std::string, int>>& sockets,
                      const Json& state, const std::function<void()>& on_ready, const Stop& stop);

}  // namespace sealift::balance
