#pragma once

// One qemu-nbd process that serves one image on a unix socket: the way to read and write every format but
// raw. It is started with an explicit format, never probes, and opens no backing file and no external data
// file. It outlives nothing: end() it and wait before the guest may run (the image lock is the process's).
//
// It ends by itself when its last connection does; one is kept here. So it does not outlive a daemon that is
// killed, and the image's lock is free when that one starts again.
//
// Image and listening socket are opened here and passed on, so that an unprivileged process needs no way
// through the directories; it opens the image again by its descriptor, so the image must be its user's.

#include <memory>
#include <optional>
#include <string>

#include "base/process.hpp"
#include "image/nbd.hpp"

namespace sealift::image {

struct QemuNbdOptions {
  file::Path image;
  std::string format;  // "raw" or "qcow2"
  Access access = Access::kReadOnly;
  file::Path socket;  // made by start(), 0600, removed by end()
  file::Path log;     // its standard output and error; empty: dropped
  unsigned connections = 4;
  std::optional<std::pair<uid_t, gid_t>> drop_to;  // run it unprivileged
};

class QemuNbd {
 public:
  // Returns when it listens. The errors hold what qemu-nbd printed.
  static Result<std::unique_ptr<QemuNbd>> start(const QemuNbdOptions& options, Deadline deadline,
                                                const Stop& stop);
  ~QemuNbd();  // end() with five seconds, then SIGKILL

  // SIGTERM, waits until the process is gone (its image is flushed and unlocked then), removes the socket.
  // kIo when it ended otherwise than in good order. Idempotent.
  Status end(Deadline deadline);

  const ProcessName& process() const { return process_; }
  // How to connect: NbdDisk::open(nbd->connection(), …).
  NbdOptions connection() const;

 private:
  QemuNbd(QemuNbdOptions options, ProcessName process);
  QemuNbdOptions options_;
  ProcessName process_;
  std::unique_ptr<NbdDisk> lifeline_;
  bool ended_ = false;
};

}  // namespace sealift::image
