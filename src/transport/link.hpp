#pragma once

// One of a session's bulk connections and the streams that go through it (stream id modulo their number).
// Link outlives each TCP connection: it keeps what was sealed and not yet taken, and what has arrived and was
// not yet read.
//
// Per TCP connection: both ends first say `resume` (which records they have), then send on from there;
// acknowledgements travel on the same connection the other way. Threads: run() receives in the caller's
// thread and sends in one of its own.

#include <map>
#include <thread>

#include "transport/context.hpp"

namespace sealift::transport {

class Link {
 public:
  Link(Context& context, std::uint16_t index) : context_(context), index_(index) {}

  // Serves one connection until it is lost (kUnavailable and the like) or the session fails. Another run()
  // that is under way is ended first: the new connection counts.
  Status run(net::TcpStream stream, const crypto::Digest& attachment);
  // Since when it has no connection; nothing while it has one.
  std::optional<SteadyTime> lost_since() const;
  void wake();

  // For writers and readers of this link's streams.
  void commit(StreamId id, SealedPtr record);  // after wait_room()
  Status wait_room(StreamId id, Deadline deadline, const Stop& stop);
  Status wait_taken(StreamId id, Deadline deadline, const Stop& stop);
  Result<SealedPtr> next(StreamId id, Deadline deadline,
                         const Stop& stop);       // the oldest that was not read yet
  void done_with(StreamId id, std::size_t cost);  // the record that next() gave last
  bool all_taken() const;

 private:
  struct Outgoing {
    std::condition_variable changed;  // for the writer
    std::deque<SealedPtr> kept;       // records first … first + size - 1
    std::uint64_t first = 0;          // so many were taken by the other side
    std::uint64_t next = 0;           // to be sent
    std::size_t bytes = 0;            // of kept
    std::uint64_t committed() const { return first + kept.size(); }
  };
  struct Incoming {
    std::condition_variable changed;  // for the reader
    std::deque<SealedPtr> arrived;    // not yet given to the reader
    std::uint64_t received = 0;       // arrived whole
    std::uint64_t taken = 0;          // given to the reader and done with
    std::size_t bytes = 0;            // arrived and not taken
    std::size_t untold_bytes = 0;     // taken since then
    bool last = false;
  };
  // What is to be sent next, decided under the lock, written without it.
  struct Send {
    enum class Kind { kRecord, kAck, kPing, kEnd } kind = Kind::kEnd;
    SealedPtr record;
    Bytes body;
  };
  struct Connection;

  Send next_send(std::unique_lock<std::mutex>& lock, Connection& connection);
  SealedPtr next_record();
  Status send_all(Connection& connection);
  Status write(Connection& connection, ByteView bytes);
  Status send_link_record(Connection& connection, RecordKind kind, ByteView body);
  Status receive_all(Connection& connection);
  Status receive_one(Connection& connection);
  bool enter(Connection& connection);
  Status check_duplicate(const RecordHeader& header, Sealed& record) const;
  std::size_t tell_after_bytes() const;
  Status take_record(const RecordHeader& header, SealedPtr record);
  Status take_resume(const std::vector<StreamPosition>& positions, Connection& connection);
  Status take_ack(const std::vector<StreamPosition>& positions);
  void free_taken(Outgoing& stream, std::uint64_t taken);
  std::vector<StreamPosition> positions();
  bool ack_due(SteadyTime now) const;

  Context& context_;
  const std::uint16_t index_;
  mutable std::mutex mutex_;
  std::condition_variable to_send_;  // for the connection's sending thread
  std::condition_variable gone_;     // a connection has ended, or a newer one waits for that
  std::map<StreamId, Outgoing> outgoing_;
  std::map<StreamId, Incoming> incoming_;
  StreamId last_sent_ = 0;                  // streams take turns
  std::optional<SteadyTime> untold_since_;  // something was taken that the other side does not know of
  Connection* current_ = nullptr;
  std::uint64_t newest_ = 0;  // connections so far: only the latest one may wait for its turn
  bool was_connected_ = false;
  SteadyTime lost_at_ = std::chrono::steady_clock::now();
};

}  // namespace sealift::transport
