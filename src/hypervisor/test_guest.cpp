#include "hypervisor/test_guest.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "base/process.hpp"
#include "hypervisor/qemu/unix_socket.hpp"

namespace sealift::hypervisor::testing {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view kInit = R"(#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod /modules/$module 2>/dev/null; done
echo GUEST-READY
for event in /dev/input/event*; do
  (head -c 1 $event >/dev/null && echo GUEST-POWEROFF && poweroff -f) &
done
n=0
while true; do
  n=$((n + 1))
  echo COUNT $n
  if [ -b /dev/vda ]; then
    echo "count $n" | dd of=/dev/vda bs=4096 seek=$((n * 7 % 4000)) conv=sync,fsync 2>/dev/null
  fi
  usleep 50000
done
)";

// Newc cpio (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst).
class CpioWriter {
 public:
  void add(const std::string& name, unsigned mode, ByteView content) {
    const std::string head =
        fmt::format("070701{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}",
                    ++inode_, mode, 0, 0, 1, 0, content.size(), 0, 0, 0, 0, name.size() + 1, 0);
    append(as_bytes(head));
    append(as_bytes(name));
    out_.push_back(0);
    align();
    append(content);
    align();
  }
  Bytes finish() {
    add("TRAILER!!!", 0, {});
    return std::move(out_);
  }

 private:
  void append(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void align() {
    while (out_.size() % 4 != 0) out_.push_back(0);
  }
  Bytes out_;
  unsigned inode_ = 0;
};

file::Path find_kernel() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/boot", error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("vmlinuz-") && name.find("cloud") != std::string::npos) return entry.path();
  }
  return {};
}

std::string kernel_version() {
  return find_kernel().filename().string().substr(8);
}

template <class T>
T must(Result<T> result) {
  if (!result) fmt::print(stderr, "test set-up: {}\n", result.error().message);
  SEALIFT_CHECK(result.has_value());
  return std::move(*result);
}

// "insmod /lib/modules/…/x.ko", one a line, dependencies first.
std::vector<file::Path> module_files() {
  std::vector<file::Path> files;
  for (const std::string name : {"virtio_pci", "virtio_blk", "button", "evdev"}) {
    const auto output = must(process::run({"modprobe", "--show-depends", "-S", kernel_version(), name}, 65536,
                                          Deadline::in(10s), Stop()));
    std::size_t at = 0;
    while ((at = output.text.find("insmod ", at)) != std::string::npos) {
      at += 7;
      const file::Path path = output.text.substr(at, output.text.find_first_of(" \n", at) - at);
      if (std::ranges::find(files, path) == files.end()) files.push_back(path);
    }
  }
  return files;
}

}  // namespace

TestDirectory::TestDirectory() {
  std::string pattern = "/tmp/sealift-XXXXXX";
  SEALIFT_CHECK(::mkdtemp(pattern.data()) != nullptr);
  SEALIFT_CHECK(::chmod(pattern.c_str(), 0711) == 0);
  path_ = pattern;
}
TestDirectory::~TestDirectory() {
  static_cast<void>(file::remove_tree(path_));
}

std::optional<std::string> guest_missing() {
  if (find_kernel().empty()) return "no linux-image-cloud-amd64 in /boot";
  if (!std::filesystem::exists("/bin/busybox")) return "no busybox-static";
  if (!process::run({"qemu-system-x86_64", "--version"}, 4096, Deadline::in(10s), Stop()))
    return "no qemu-system-x86";
  return std::nullopt;
}

GuestFiles make_guest_files(const file::Path& directory) {
  CpioWriter cpio;
  for (const char* name : {"bin", "modules"}) cpio.add(name, 040755, {});
  cpio.add("init", 0100755, as_bytes(kInit));
  cpio.add("bin/busybox", 0100755, must(file::read("/bin/busybox", 16U << 20)));
  std::string order;
  for (const file::Path& module : module_files()) {
    order += module.filename().string() + "\n";
    cpio.add("modules/" + module.filename().string(), 0100644, must(file::read(module, 16U << 20)));
  }
  cpio.add("modules/order", 0100644, as_bytes(order));
  GuestFiles files{.kernel = find_kernel(), .initrd = directory / "tiny-initrd"};
  SEALIFT_CHECK(file::write_atomic(files.initrd, cpio.finish()).has_value());
  return files;
}

std::string guest_cmdline() {
  return "console=ttyS0 quiet panic=-1";
}

TestVm make_test_vm(const file::Path& directory, const std::string& name, std::vector<DiskFormat> disks) {
  TestVm vm;
  vm.definition.name = name;
  vm.definition.memory_bytes = 96U << 20;
  vm.definition.has_kernel = true;
  vm.definition.has_initrd = true;
  vm.definition.cmdline = guest_cmdline();
  vm.placement.vm_id = make_vm_id(system_random());
  const file::Path home = directory / name;
  vm.placement.run_directory = home / "run";
  vm.placement.log_directory = home;
  vm.placement.directory = home;
  std::filesystem::create_directories(home);
  const GuestFiles files = make_guest_files(home);
  std::filesystem::copy_file(files.kernel, home / "kernel");
  std::filesystem::rename(files.initrd, home / "initrd");
  for (std::size_t i = 0; i < disks.size(); ++i) {
    const std::string disk = fmt::format("vd{}", static_cast<char>('a' + i));
    vm.definition.disks.push_back(
        {.name = disk, .pool = "default", .size_bytes = 16U << 20, .format = disks[i]});
    vm.placement.disks.push_back(home / (disk + ".img"));
    const auto made = must(process::run({"qemu-img", "create", "-q", "-f", std::string(to_string(disks[i])),
                                         vm.placement.disks.back().string(), "16M"},
                                        4096, Deadline::in(10s), Stop()));
    SEALIFT_CHECK(made.exit.code == 0);
  }
  return vm;
}

ConsoleReader::ConsoleReader(const file::Path& socket) : socket_(must(qemu::connect_unix(socket))) {}

std::string ConsoleReader::read_until(const std::string& marker) {
  const Deadline deadline = Deadline::in(120s);
  while (true) {
    if (const std::size_t at = pending_.find(marker); at != std::string::npos) {
      std::string text = pending_.substr(0, at + marker.size());
      pending_.erase(0, at + marker.size());
      return text;
    }
    if (!wait_ready(socket_.get(), Readiness::kReadable, deadline, Stop())) return pending_;
    std::array<char, 4096> buffer{};
    const ssize_t got = ::read(socket_.get(), buffer.data(), buffer.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) return pending_;
    pending_.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::uint64_t last_count(const std::string& text) {
  const std::size_t at = text.rfind("COUNT ");
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + 6, nullptr, 10);
}

}  // namespace sealift::hypervisor::testing
