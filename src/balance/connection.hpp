#pragma once

// One client connection and its server's, in about 140 bytes: buffers exist only while bytes are stuck.

#include <cstdint>
#include <memory>
#include <vector>

#include "balance/pool.hpp"
#include "base/bytes.hpp"
#include "base/file.hpp"

namespace sealift::balance {

// Two ends, and two flows: flow[kClient] carries what the client sends, flow[kServer] what the server sends.
enum Side : std::uint8_t { kClient = 0, kServer = 1 };
constexpr Side other(Side side) {
  return side == kClient ? kServer : kClient;
}

enum class Stage : std::uint8_t {
  kFree,
  kHeader,   // the client's PROXY header is to come
  kWaiting,  // for a server: limit, hold, all down, no descriptor
  kConnecting,
  kOpen,
};

// What a socket did not take yet.
struct Tail {
  Bytes bytes;
  std::size_t begin = 0;
};

// A stream that has shown itself to be bulk is spliced: its bytes never enter this process.
struct Pipe {
  UniqueFd read_end, write_end;
  std::size_t filled = 0;
  unsigned small = 0;  // short splices in a row; after some of them the stream is copied again
};

struct Flow {
  std::unique_ptr<Tail> tail;
  std::unique_ptr<Pipe> pipe;
  std::uint64_t bytes = 0;
  std::uint8_t full_reads = 0;
  bool ended = false;  // its source has sent its end, and that was passed on
};

constexpr std::uint32_t kNobody = 0xffffffff;

struct Connection {
  int fd[2] = {-1, -1};
  Flow flow[2];
  PoolLive* pool = nullptr;      // with server: counted as active there
  ServerLive* server = nullptr;  // kConnecting, kOpen; while kWaiting: the only one that will do, or null
  Address client;
  std::uint32_t pool_id = 0;
  std::uint32_t timer_next = kNobody, timer_previous = kNobody;
  std::uint32_t not_before_ms = 0;                               // kWaiting: no new try before
  std::uint32_t waited_ms = 0;                                   // from its start to its last dial
  std::uint32_t started_ms = 0, active_ms = 0, patience_ms = 0;  // patience: from active_ms on
  std::uint16_t timer_bucket = 0;
  std::uint16_t listener = 0;
  std::uint16_t tried[4] = {};  // server slots whose connect failed
  std::uint8_t tries = 0;
  Stage stage = Stage::kFree;
  bool end_seen[2] = {};     // EPOLLRDHUP: what is read from now on is the last of it
  bool watched_out[2] = {};  // EPOLLOUT is asked for
  bool lost[2] = {};         // that end is gone: what it had sent is passed on, then the other end is reset
  bool greeted = false;      // our PROXY header stands in the tail, or was sent
  bool queued_again = false;
  bool kept_alive = false;
};

// Connections by number. Memory grows in blocks and is used again, newest first; addresses never change.
class Connections {
 public:
  Connection& operator[](std::uint32_t number) { return blocks_[number / kBlock][number % kBlock]; }
  std::uint32_t make() {
    if (free_.empty()) {
      const auto first = static_cast<std::uint32_t>(blocks_.size() * kBlock);
      blocks_.push_back(std::make_unique<Connection[]>(kBlock));
      for (std::uint32_t i = kBlock; i-- > 0;) free_.push_back(first + i);
    }
    const std::uint32_t number = free_.back();
    free_.pop_back();
    ++used_;
    return number;
  }
  void drop(std::uint32_t number) {
    (*this)[number] = Connection{};
    free_.push_back(number);
    --used_;
  }
  std::size_t used() const { return used_; }
  std::uint32_t end() const { return static_cast<std::uint32_t>(blocks_.size() * kBlock); }

 private:
  static constexpr std::uint32_t kBlock = 64;
  std::vector<std::unique_ptr<Connection[]>> blocks_;
  std::vector<std::uint32_t> free_;
  std::size_t used_ = 0;
};

}  // namespace sealift::balance
