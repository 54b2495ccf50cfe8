#pragma once

// The disks of a VM that comes in: images made in its place (or found there again), their leaf tables, and
// the copies of the same disks that an earlier move left in this host's quarantine.

#include "image/open_image.hpp"
#include "migrate/disk/receiver.hpp"
#include "migrate/local_host.hpp"

namespace sealift::migrate {

class IncomingDisks {
 public:
  // scratch: private, of this move: sockets of qemu-nbd. An earlier copy that can't be used is left out, and
  // a log line says why.
  static Result<std::unique_ptr<IncomingDisks>> open(const IncomingVm& vm, const IncomingPlace& place,
                                                     LocalHost& host, const file::Path& scratch,
                                                     const Stop& stop);

  bool empty() const { return disks_.empty(); }
  std::vector<DestinationDisk> ends() const;  // in the definition's order, as long as this lives
  Status close();                             // the images; their qemu-nbd have ended
  Result<std::vector<crypto::Digest>> roots();

 private:
  struct Disk {
    image::OpenImage image;
    std::unique_ptr<image::LeafTable> table;
    std::unique_ptr<EarlierCopy> earlier;  // none: there is no copy of it that can be used
  };
  std::vector<Disk> disks_;
};

}  // namespace sealift::migrate
