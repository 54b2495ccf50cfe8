#pragma once

// What leaves the source in one session: side files, disks, and for a live move the guest's memory, in the
// order that custody needs (design: "Life of a live move"). One object per session; used by one thread at a
// time.
//
//   cold   begin() -> copy_cold()
//   live   begin() -> copy_live() until little remains -> [stop_guest] -> last_round() ->
//   continue_switchover()
//          -> [peer says ready, process frozen] -> end_streams() -> parts()

#include <atomic>

#include "migrate/agreed.hpp"
#include "migrate/conversation.hpp"
#include "migrate/inbox.hpp"
#include "migrate/local_host.hpp"
#include "migrate/progress.hpp"

namespace sealift::migrate {

// Of the names of every dirty bitmap that a move makes: the move's id follows.
inline constexpr const char* kBitmapPrefix = "sealift-";

struct CopyPlan {
  ledger::MoveId move;
  const Agreed* agreed = nullptr;
  LocalVm vm;
  file::Path scratch;  // of this move: leaf tables, sockets of qemu-nbd; private
  std::optional<std::pair<uid_t, gid_t>> guest_user;
  std::shared_ptr<Conversation> talk;  // shared with the driver
  PeerInbox* inbox = nullptr;
  const std::atomic<std::uint64_t>* max_downtime_ms = nullptr;
  // Progress of the move, to be changed under its lock.
  std::function<void(const std::function<void(MoveProgress&)>&)> update;
};

class SourceCopy {
 public:
  static Result<std::unique_ptr<SourceCopy>> open(CopyPlan plan);
  ~SourceCopy();

  Status copy_cold(const Stop& stop);
  // Rounds and passes until the rest fits the allowed downtime.
  Status copy_live(const Stop& stop);
  Status last_round(const Stop& stop);
  Status continue_switchover(const Stop& stop);
  // After the process is frozen: what its sockets still hold is carried, the streams end. kRefused: one of
  // the conditions of a seal does not hold, in words.
  Status end_streams(const Stop& stop);
  Status whole() const;  // sockets and relay without failure
  void cut();            // every local migration socket
  std::vector<ledger::SealPart> parts() const;

 private:
  struct Impl;
  explicit SourceCopy(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::migrate
