#pragma once

// The two ends of a stream (session.hpp), and what is counted of them. Sealing happens in the writer's
// thread, opening in the reader's: streams spread over cores by themselves.

#include <memory>
#include <optional>
#include <vector>

#include "base/stop.hpp"
#include "transport/record.hpp"

namespace sealift::transport {

enum class Direction { kSent, kReceived };

struct StreamCounters {
  StreamId stream = 0;
  Direction direction = Direction::kSent;
  std::uint64_t records = 0;  // committed, or given to the reader
  std::uint64_t bytes = 0;    // plaintext of those
};
struct SessionCounters {
  std::vector<StreamCounters> streams;
  std::uint64_t wire_bytes_sent = 0;  // bulk connections; what was sent again counts again
  std::uint64_t wire_bytes_received = 0;
  std::uint64_t reconnects = 0;  // control and bulk connections made again
  std::uint64_t duplicates_dropped = 0;
};

class StreamWriter {
 public:
  StreamWriter(StreamWriter&&) noexcept;
  StreamWriter& operator=(StreamWriter&&) = delete;
  ~StreamWriter();  // without finish(): the stream simply has no end

  // kRecordBytesMax bytes to fill from the front; valid until the next commit().
  MutableByteView buffer();
  // Seals the first n bytes (1 to kRecordBytesMax) as one record and hands it over; waits while the window is
  // full. kTimeout and kCancelled: nothing was sealed, the buffer is as it was, commit may be called again.
  Status commit(std::size_t n, Deadline deadline = Deadline::never(), const Stop& stop = {});
  // The explicit end. Nothing can be committed afterwards.
  Status finish(Deadline deadline = Deadline::never(), const Stop& stop = {});
  // Waits until the other side's reader is done with everything committed so far.
  Status flush(Deadline deadline, const Stop& stop);

 private:
  friend class Session;
  struct Impl;
  explicit StreamWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class StreamReader {
 public:
  StreamReader(StreamReader&&) noexcept;
  StreamReader& operator=(StreamReader&&) = delete;
  ~StreamReader();

  // The next record's plaintext, verified; valid until the next call, which tells the sender that this one is
  // done with. nullopt: the stream's explicit end (again and again).
  Result<std::optional<ByteView>> next(Deadline deadline, const Stop& stop);

 private:
  friend class Session;
  struct Impl;
  explicit StreamReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::transport
