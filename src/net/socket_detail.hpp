#pragma once

// Shared by the socket files of net; nothing outside includes it.

#include "base/file.hpp"
#include "base/stop.hpp"

namespace sealift::net::detail {

// An errno of a socket call: a lost or unreachable peer is kUnavailable.
std::unexpected<Error> connection_error(int error_number, std::string_view doing);
// After a non-blocking connect(2) that is in progress.
Status finish_connect(int fd, Deadline deadline, const Stop& stop);
Result<UniqueFd> accept_on(int listener, Deadline deadline, const Stop& stop);

}  // namespace sealift::net::detail
