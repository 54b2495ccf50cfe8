#pragma once

// What arrives at the destination: side files, disks, and for a live move the guest's memory. The place is
// made, the images created, QEMU launched (live) and told to listen; rounds are made durable one by one; then
// everything is counted. One object per session; a cold move that goes on in another session gets another one
// over the same place. Used by one thread at a time.

#include "migrate/agreed.hpp"
#include "migrate/conversation.hpp"
#include "migrate/inbox.hpp"
#include "migrate/local_host.hpp"
#include "migrate/progress.hpp"

namespace sealift::migrate {

struct ReceivePlan {
  ledger::MoveId move;
  const Agreed* agreed = nullptr;
  LocalHost* host = nullptr;
  file::Path scratch;                  // of this move: sockets of qemu-nbd
  std::shared_ptr<Conversation> talk;  // shared with the driver
  PeerInbox* inbox = nullptr;
  std::function<void(const std::function<void(MoveProgress&)>&)> update;
};

class DestinationReceive {
 public:
  static Result<std::unique_ptr<DestinationReceive>> open(ReceivePlan plan);
  ~DestinationReceive();

  // The place and the images; then `receiving` may be said.
  Status prepare(const Stop& stop);
  // Until everything is here: disks whole and durable, their qemu-nbd ended; live: QEMU launched as soon as
  // its side files are here, loaded and paused in the end.
  Status receive(const Stop& stop);
  // Live: the streams' explicit ends, after the source froze. Then parts() is final.
  Status drain(Deadline deadline, const Stop& stop);
  // Files and directories fsynced once more, what only the end can make durable.
  Status sync();
  void cut();
  std::vector<ledger::SealPart> parts() const;
  const std::shared_ptr<hypervisor::Machine>& machine() const;  // live

 private:
  struct Impl;
  explicit DestinationReceive(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::migrate
