#pragma once

// For tests: a tiny real guest. The kernel of the cloud image in /boot, an initramfs of busybox-static that
// says GUEST-READY on the serial console, counts there (COUNT n), writes its count to the first disk at
// changing places, and powers off when the power button is pressed.

#include <memory>
#include <string>

#include "base/file.hpp"
#include "base/stop.hpp"
#include "hypervisor/hypervisor.hpp"

namespace sealift::hypervisor::testing {

// A directory that QEMU's user can reach; removed at the end.
class TestDirectory {
 public:
  TestDirectory();
  ~TestDirectory();
  const file::Path& path() const { return path_; }

 private:
  file::Path path_;
};

// Why no real guest can run here (no kernel, no busybox, no QEMU); nothing when all is there.
std::optional<std::string> guest_missing();

struct GuestFiles {
  file::Path kernel;
  file::Path initrd;
};
GuestFiles make_guest_files(const file::Path& directory);
std::string guest_cmdline();

// A definition of 96 MiB with that kernel and the disks' files made (raw or qcow2, 16 MiB).
struct TestVm {
  VmDefinition definition;
  Placement placement;
};
TestVm make_test_vm(const file::Path& directory, const std::string& name, std::vector<DiskFormat> disks);

// Reads a machine's serial console.
class ConsoleReader {
 public:
  explicit ConsoleReader(const file::Path& socket);
  // Everything up to and with `marker`; what was read so far when it does not come within 120 s.
  std::string read_until(const std::string& marker);

 private:
  UniqueFd socket_;
  std::string pending_;
};

// The number of the last "COUNT n" in a text, 0 without.
std::uint64_t last_count(const std::string& text);

}  // namespace sealift::hypervisor::testing
