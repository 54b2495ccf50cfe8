#pragma once

// A stoppable, blocking, two-way byte stream with deadlines. Everything that talks to another process goes
// through it: TCP, unix sockets, TLS.
//
// One thread may read while another one writes. close() may be called by any thread: it ends both directions
// at once and wakes whoever is blocked (that call returns an error); the descriptor itself lives until the
// Stream is destroyed, so that no number is reused under a blocked call. Codes: kCancelled stopped, kTimeout
// deadline, kUnavailable the connection is lost or was never there, kClosed closed on this side.

#include <cstddef>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/stop.hpp"

namespace sealift::net {

class Stream {
 public:
  virtual ~Stream() = default;
  // At least one byte, or 0 at the end that the other side made in good order (for TLS: authenticated).
  virtual Result<std::size_t> read_some(MutableByteView out, Deadline deadline, const Stop& stop) = 0;
  virtual Status write_all(ByteView bytes, Deadline deadline, const Stop& stop) = 0;
  virtual void shutdown_write() = 0;  // the other side reads an end; reading goes on
  virtual void close() = 0;
};

// Fills `out` or fails. kClosed when the stream ends before the first byte, kUnavailable when it ends within.
Status read_exact(Stream& stream, MutableByteView out, Deadline deadline, const Stop& stop);

}  // namespace sealift::net
