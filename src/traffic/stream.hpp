#pragma once

// A host's event stream: durable in traffic.db, numbered from 1 without holes, read by any number of readers
// at once. A reader asks for what comes after its position; asking again says that everything up to there is
// in force on its side. So a publisher knows who follows, and can wait for them.
//
// Kept are the last `keep` events and the newest one of each VM. A reader that is further behind, or comes
// from nothing or from another stream, gets the whole state instead (event.hpp, Batch::whole).

#include <map>
#include <memory>

#include "base/database.hpp"
#include "base/guarded.hpp"
#include "base/stop.hpp"
#include "traffic/event.hpp"

namespace sealift::traffic {

class EventStream {
 public:
  static Result<std::unique_ptr<EventStream>> open(const file::Path& path, std::uint64_t keep = 4096);

  // Durable when it returns: its number. Nothing when it says nothing new: the same move has got as far, or
  // the VM has moved again since.
  Result<std::optional<std::uint64_t>> publish(MoveEvent event);

  // Who reads: present until it is destroyed, which must be before the stream.
  class Reader {
   public:
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    // What comes after the position, waited for until the deadline; then a batch without events.
    Result<Batch> wait(const Position& position, Deadline deadline, const Stop& stop);

   private:
    friend class EventStream;
    Reader(EventStream& stream, std::uint64_t id) : stream_(stream), id_(id) {}
    EventStream& stream_;
    const std::uint64_t id_;
  };
  std::unique_ptr<Reader> enter(std::string name);

  struct Acknowledged {
    double waited_ms = 0;
    std::vector<std::string> by;       // in force there
    std::vector<std::string> missing;  // present, and silent when the time was over
  };
  // Until every reader that is present has taken that event, at most so long.
  Acknowledged wait_acknowledged(std::uint64_t number, Milliseconds longest);

 private:
  struct Present {
    std::string name;
    std::uint64_t acknowledged = 0;
  };
  struct State {
    std::optional<Database> database;
    std::string id;
    std::uint64_t last = 0;
    std::map<std::uint64_t, Present> readers;
    std::uint64_t next_reader = 1;
  };
  explicit EventStream(std::uint64_t keep) : keep_(keep) {}
  Status load(Database database);
  Result<Batch> read(State& state, const Position& position) const;

  const std::uint64_t keep_;
  Guarded<State> state_;
};

}  // namespace sealift::traffic
