// Whether KVM runs guests on this host. /dev/kvm may be there and of no use (nested without the processor's
// support: guests hang, or run slower than emulated): only a guest that runs is proof.

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/log.hpp"
#include "hypervisor/qemu/qemu_hypervisor.hpp"

namespace sealift::hypervisor::qemu {

namespace {

using namespace std::chrono_literals;

constexpr rlim_t kProbeCpuSeconds = 10;
constexpr Milliseconds kProbeWithin{20'000};
constexpr int kProbeExit = (0x2a << 1) | 1;  // isa-debug-exit: (value << 1) | 1

// Real mode, loaded by SeaBIOS at 0x7c00: count down from 400,000,000, sleep until the timer has ticked
// twice, end the machine with 0x2a. Emulated 25 times slower than TCG it does not end in time.
constexpr std::array<std::uint8_t, 34> kBootSector{
    0xfb,                                // sti
    0x66, 0xb9, 0x00, 0x84, 0xd7, 0x17,  // mov ecx, 400000000
    0x66, 0x49,                          // dec ecx
    0x75, 0xfc,                          // jnz -4
    0xb8, 0x40, 0x00,                    // mov ax, 0x40
    0x8e, 0xd8,                          // mov ds, ax
    0x8b, 0x1e, 0x6c, 0x00,              // mov bx, [0x6c]  ticks of the BIOS timer
    0x83, 0xc3, 0x02,                    // add bx, 2
    0xf4,                                // hlt
    0x39, 0x1e, 0x6c, 0x00,              // cmp [0x6c], bx
    0x78, 0xf9,                          // js -7
    0xb0, 0x2a,                          // mov al, 0x2a
    0xe6, 0xf4                           // out 0xf4, al
};

Result<file::Path> make_boot_disk(const file::Path& directory, const GuestUser& user) {
  Bytes disk(1U << 20);  // SeaBIOS does not boot a smaller one
  std::ranges::copy(kBootSector, disk.begin());
  disk[510] = 0x55;
  disk[511] = 0xaa;
  const file::Path path = directory / "probe.img";
  SEALIFT_TRY_STATUS(file::write_atomic(path, disk));
  SEALIFT_TRY_STATUS(give_to_guest_user(path, user));
  SEALIFT_TRY_STATUS(check_reachable(path, user));
  return path;
}

std::optional<Accelerator> read_kept(const file::Path& path, const std::string& boot) {
  const auto text = file::read_text(path, 4096);
  if (!text) return std::nullopt;
  const auto kept = json::parse(*text, 4096);
  if (!kept || json::text(*kept, "boot") != boot) return std::nullopt;
  const auto word = json::text(*kept, "accelerator");
  if (!word) return std::nullopt;
  return *word == "kvm" ? Accelerator::kKvm : Accelerator::kTcg;
}

// KVM without the processor's own support is not worth a probe: its guests hang until the probe's end.
bool processor_virtualises() {
  const auto text = file::read_text("/proc/cpuinfo", 16U << 20);
  if (!text) return true;
  return text->find(" vmx ") != std::string::npos || text->find(" svm ") != std::string::npos;
}

}  // namespace

Result<UniqueFd> open_kvm() {
  return file::open("/dev/kvm", O_RDWR);
}

Result<bool> probe_guest_runs(const QemuSettings& settings, Accelerator accelerator, const GuestUser& user,
                              const Stop& stop) {
  const file::Path disk = SEALIFT_TRY(make_boot_disk(settings.scratch_directory, user));
  SpawnOptions options;
  options.drop_to = user;
  options.argv = {settings.program,
                  "-nodefaults",
                  "-no-user-config",
                  "-display",
                  "none",
                  "-m",
                  "size=64M",
                  "-machine",
                  "q35,graphics=off",
                  "-device",
                  "isa-debug-exit,iobase=0xf4,iosize=0x04",
                  "-drive",
                  fmt::format("file={},format=raw,if=virtio,readonly=on", disk.string())};
  UniqueFd kvm;
  std::string accel = std::string(to_string(accelerator));
  if (accelerator == Accelerator::kKvm && user) {
    auto opened = open_kvm();
    if (!opened) return false;
    kvm = std::move(*opened);
    options.fds = {{kvm.get(), kvm.get()}};
    options.argv.insert(options.argv.end(), {"-add-fd", fmt::format("fd={},set=1", kvm.get())});
    accel += ",device=/dev/fdset/1";
  }
  options.argv.insert(options.argv.end(), {"-accel", accel});
  const ProcessName process = SEALIFT_TRY(process::spawn(options));
  // In its own processor time: a loaded machine is no machine without KVM. SIGXCPU ends it.
  const rlimit limit{kProbeCpuSeconds, kProbeCpuSeconds};
  static_cast<void>(::prlimit(process.pid, RLIMIT_CPU, &limit, nullptr));  // fails only for one that is gone
  const auto ended = process::wait(process, Deadline::in(kProbeWithin), stop);
  if (!ended) {
    static_cast<void>(process::kill_hard(process, Deadline::in(5s)));
    if (ended.error().code != Code::kTimeout) return std::unexpected(ended.error());
    return false;
  }
  std::error_code ignored;
  std::filesystem::remove(disk, ignored);
  return *ended && (*ended)->code == kProbeExit;
}

Result<Accelerator> choose_accelerator(const QemuSettings& settings, const GuestUser& user,
                                       const Stop& stop) {
  if (settings.accelerator) return *settings.accelerator;
  if (::access("/dev/kvm", F_OK) != 0 || !processor_virtualises()) return Accelerator::kTcg;
  const auto boot = file::read_text("/proc/sys/kernel/random/boot_id", 128);
  if (boot && !settings.probe_file.empty()) {
    if (const auto kept = read_kept(settings.probe_file, *boot)) return *kept;
  }
  const bool runs = SEALIFT_TRY(probe_guest_runs(settings, Accelerator::kKvm, user, stop));
  const Accelerator chosen = runs ? Accelerator::kKvm : Accelerator::kTcg;
  log_info("hypervisor.probe",
           {{"kvm", runs ? "runs guests" : "does not run guests"}, {"accelerator", to_string(chosen)}});
  if (boot && !settings.probe_file.empty()) {
    const Json kept = {{"boot", *boot}, {"accelerator", to_string(chosen)}};
    SEALIFT_TRY_STATUS(file::write_atomic(settings.probe_file, json::dump(kept)));
  }
  return chosen;
}

}  // namespace sealift::hypervisor::qemu
