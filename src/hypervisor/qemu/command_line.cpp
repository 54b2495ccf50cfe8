#include "hypervisor/qemu/command_line.hpp"

#include "base/check.hpp"

namespace sealift::hypervisor::qemu {

namespace {

constexpr std::string_view kSandbox =
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

class Arguments {
 public:
  void add(std::string_view option) { list_.emplace_back(option); }
  void add(std::string_view option, std::string value) {
    list_.emplace_back(option);
    list_.push_back(std::move(value));
  }
  void block(const Json& node) { add("-blockdev", json::dump(node)); }
  std::vector<std::string> take() { return std::move(list_); }

 private:
  std::vector<std::string> list_;
};

// QEMU's option parser: a comma in a value is doubled.
std::string escaped(const file::Path& path) {
  std::string out;
  for (const char c : path.native()) out += c == ',' ? ",," : std::string(1, c);
  return out;
}

void add_machine(const VmDefinition& vm, const Placement& placement, const LaunchSettings& settings,
                 Arguments* out) {
  std::string machine =
      fmt::format("{},memory-backend=ram0,graphics=off,smm=off,vmport=off,dump-guest-core=off", vm.machine);
  if (vm.firmware == Firmware::kUefi) {
    machine += ",pflash0=firmware,pflash1=vars";
    out->block({{"driver", "file"},
                {"node-name", "firmware-file"},
                {"filename", settings.uefi_code.string()},
                {"read-only", true}});
    out->block(
        {{"driver", "raw"}, {"node-name", "firmware"}, {"file", "firmware-file"}, {"read-only", true}});
    out->block({{"driver", "file"},
                {"node-name", "vars-file"},
                {"filename", (placement.directory / "vars.fd").string()}});
    out->block({{"driver", "raw"}, {"node-name", "vars"}, {"file", "vars-file"}});
  }
  const std::uint64_t mib = vm.memory_bytes >> 20;
  // Memory is anonymous: the zero page serves what the guest never wrote, which a memfd cannot do. Allocated
  // beforehand that counts for nothing, and a shared memfd is allocated three times as fast (measured).
  out->add("-object", vm.memory_shared || vm.memory_preallocate
                          ? fmt::format("memory-backend-memfd,id=ram0,size={}M,share=on{}", mib,
                                        vm.memory_preallocate ? ",prealloc=on" : "")
                          : fmt::format("memory-backend-ram,id=ram0,size={}M", mib));
  out->add("-machine", machine);
  out->add("-accel", settings.accelerator == Accelerator::kTcg ? "tcg,thread=multi"
                     : settings.kvm_fd_set                     ? "kvm,device=/dev/fdset/1"
                                                               : "kvm");
  out->add("-cpu", cpu_argument(vm.cpu));
  out->add("-m", fmt::format("size={}M", mib));
  out->add("-smp", fmt::format("cpus={0},sockets=1,dies=1,cores={0},threads=1", vm.vcpus));
}

void add_disks(const VmDefinition& vm, const Placement& placement, Arguments* out) {
  SEALIFT_CHECK(placement.disks.size() == vm.disks.size());
  for (std::size_t i = 0; i < vm.disks.size(); ++i) {
    const std::string node = disk_node(i);
    out->block({{"driver", "file"},
                {"node-name", node + "-file"},
                {"filename", placement.disks[i].string()},
                {"discard", "unmap"}});
    Json format = {{"driver", to_string(vm.disks[i].format)},
                   {"node-name", node},
                   {"file", node + "-file"},
                   {"discard", "unmap"}};
    // An image's header never makes QEMU open another file.
    if (vm.disks[i].format == DiskFormat::kQcow2) format["backing"] = nullptr;
    out->block(format);
    out->add("-device", fmt::format("virtio-blk-pci,id={}-device,bus=pcie.0,addr={:#x},drive={},bootindex={},"
                                    "serial={}",
                                    node, 0x4 + i, node, i + 1, vm.disks[i].name));
  }
}

// Offloads that depend on the host's kernel are off: a move between kernels must not fail on them. No option
// ROM: its size would have to be the same on every host.
constexpr std::string_view kNetDevice =
    "virtio-net-pci,romfile=,host_ufo=off,guest_ufo=off,guest_uso4=off,guest_uso6=off,host_uso=off";

void add_networks(const VmDefinition& vm, const Placement& placement, const InheritedFds& fds,
                  Arguments* out) {
  SEALIFT_CHECK(placement.networks.size() == vm.networks.size());
  std::size_t tap = 0;
  for (std::size_t i = 0; i < vm.networks.size(); ++i) {
    std::string backend;
    if (const auto* user = std::get_if<UserNetwork>(&placement.networks[i])) {
      backend = fmt::format("user,id=net{}", i);
      for (const HostForward& forward : user->forwards)
        backend += fmt::format(",hostfwd=tcp:127.0.0.1:{}-:{}", forward.host_port, forward.guest_port);
    } else {
      SEALIFT_CHECK(tap < fds.taps.size());
      backend = fmt::format("tap,id=net{},fd={},vhost=off", i, fds.taps[tap++]);
    }
    out->add("-netdev", backend);
    out->add("-device", fmt::format("{},id=net{}-device,bus=pcie.0,addr={:#x},netdev=net{},mac={}",
                                    kNetDevice, i, 0x14 + i, i, vm.networks[i].mac));
  }
}

void add_kernel(const VmDefinition& vm, const Placement& placement, Arguments* out) {
  if (!vm.has_kernel) return;
  out->add("-kernel", (placement.directory / "kernel").string());
  if (vm.has_initrd) out->add("-initrd", (placement.directory / "initrd").string());
  if (!vm.cmdline.empty()) out->add("-append", vm.cmdline);
}

}  // namespace

std::string disk_node(std::size_t index) {
  return fmt::format("disk{}", index);
}

std::string cpu_argument(std::string_view model) {
  // QEMU has no model of this name; this is the psABI's level 2 on QEMU's plainest 64-bit model, without the
  // one feature (svm) that depends on the host.
  if (model == "x86-64-v2")
    return "qemu64,svm=off,cx16=on,lahf-lm=on,popcnt=on,ssse3=on,sse4.1=on,sse4.2=on,enforce=on";
  return fmt::format("{},enforce=on", model);
}

std::vector<std::string> make_command_line(const VmDefinition& vm, const Placement& placement, StartMode mode,
                                           const InheritedFds& fds, const LaunchSettings& settings) {
  Arguments out;
  out.add(settings.program);
  out.add("-name", fmt::format("guest={},debug-threads=on", vm.name));
  out.add("-uuid", placement.vm_id);
  out.add("-nodefaults");
  out.add("-no-user-config");
  out.add("-S");
  if (mode == StartMode::kIncoming) out.add("-incoming", "defer");
  out.add("-sandbox", std::string(kSandbox));
  out.add("-msg", "timestamp=on");
  out.add("-display", "none");
  out.add("-vga", "none");
  out.add("-rtc", "base=utc");
  out.add("-boot", "strict=on");
  out.add("-action", "reboot=reset,shutdown=poweroff,panic=none");
  out.add("-chardev", fmt::format("socket,id=monitor0,fd={},server=on,wait=off", fds.monitor));
  out.add("-mon", "chardev=monitor0,mode=control");
  if (settings.kvm_fd_set) out.add("-add-fd", fmt::format("fd={},set=1", *settings.kvm_fd_set));
  add_machine(vm, placement, settings, &out);
  out.add("-chardev", fmt::format("socket,id=serial0,fd={},server=on,wait=off,logfile={},logappend=on",
                                  fds.serial, escaped(placement.log_directory / "serial.log")));
  out.add("-device", "isa-serial,id=serial0-device,chardev=serial0,index=0");
  out.add("-device", "pvpanic,id=panic0");
  if (vm.rng) {
    out.add("-object", "rng-builtin,id=rng0");
    out.add("-device", "virtio-rng-pci,id=rng0-device,bus=pcie.0,addr=0x2,rng=rng0");
  }
  add_disks(vm, placement, &out);
  add_networks(vm, placement, fds, &out);
  add_kernel(vm, placement, &out);
  return out.take();
}

std::vector<std::vector<std::string>> bridge_commands(const std::string& tap, const BridgeNetwork& network) {
  std::vector<std::vector<std::string>> commands;
  commands.push_back({"ip", "link", "set", "dev", tap, "master", network.bridge});
  if (network.vlan) {
    // The default VLAN goes, so that the guest hears nothing but its own.
    commands.push_back({"bridge", "vlan", "del", "dev", tap, "vid", "1"});
    commands.push_back(
        {"bridge", "vlan", "add", "dev", tap, "vid", fmt::format("{}", *network.vlan), "pvid", "untagged"});
  }
  commands.push_back({"ip", "link", "set", "dev", tap, "up"});
  return commands;
}

}  // namespace sealift::hypervisor::qemu
