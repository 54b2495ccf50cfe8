#include "hypervisor/qemu/command_line.hpp"

#include <gtest/gtest.h>

namespace sealift::hypervisor::qemu {
namespace {

VmDefinition small_vm() {
  VmDefinition vm;
  vm.name = "web-01";
  vm.memory_bytes = 1ULL << 30;
  vm.vcpus = 2;
  vm.disks = {{.name = "vda", .pool = "default", .size_bytes = 1U << 30, .format = DiskFormat::kQcow2},
              {.name = "data", .pool = "fast", .size_bytes = 1U << 30, .format = DiskFormat::kRaw}};
  vm.networks = {{.name = "prod", .mac = "52:54:00:00:00:01"}, {.name = "user", .mac = "52:54:00:00:00:02"}};
  return vm;
}

Placement small_place() {
  return {.vm_id = "6f1c6f7e-0000-4000-8000-000000000001",
          .run_directory = "/s/run/1",
          .log_directory = "/s/log,1",
          .directory = "/s/vms/1",
          .disks = {"/p/a.qcow2", "/p/b.raw"},
          .networks = {BridgeNetwork{.bridge = "br0", .vlan = {}},
                       UserNetwork{.forwards = {{.host_port = 8080, .guest_port = 80}}}}};
}

std::vector<std::string> line(const VmDefinition& vm, StartMode mode = StartMode::kBoot,
                              LaunchSettings settings = {.program = "qemu",
                                                         .accelerator = Accelerator::kTcg,
                                                         .uefi_code = "/ovmf",
                                                         .kvm_fd_set = {}}) {
  return make_command_line(vm, small_place(), mode, {.monitor = 11, .serial = 12, .taps = {13}}, settings);
}

TEST(CommandLine, IsExactlyThis) {
  const std::vector<std::string> golden{
      "qemu",
      "-name",
      "guest=web-01,debug-threads=on",
      "-uuid",
      "6f1c6f7e-0000-4000-8000-000000000001",
      "-nodefaults",
      "-no-user-config",
      "-S",
      "-sandbox",
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      "-msg",
      "timestamp=on",
      "-display",
      "none",
      "-vga",
      "none",
      "-rtc",
      "base=utc",
      "-boot",
      "strict=on",
      "-action",
      "reboot=reset,shutdown=poweroff,panic=none",
      "-chardev",
      "socket,id=monitor0,fd=11,server=on,wait=off",
      "-mon",
      "chardev=monitor0,mode=control",
      "-object",
      "memory-backend-ram,id=ram0,size=1024M",
      "-machine",
      "pc-q35-9.2,memory-backend=ram0,graphics=off,smm=off,vmport=off,dump-guest-core=off",
      "-accel",
      "tcg,thread=multi",
      "-cpu",
      "qemu64,svm=off,cx16=on,lahf-lm=on,popcnt=on,ssse3=on,sse4.1=on,sse4.2=on,enforce=on",
      "-m",
      "size=1024M",
      "-smp",
      "cpus=2,sockets=1,dies=1,cores=2,threads=1",
      "-chardev",
      "socket,id=serial0,fd=12,server=on,wait=off,logfile=/s/log,,1/serial.log,logappend=on",
      "-device",
      "isa-serial,id=serial0-device,chardev=serial0,index=0",
      "-device",
      "pvpanic,id=panic0",
      "-object",
      "rng-builtin,id=rng0",
      "-device",
      "virtio-rng-pci,id=rng0-device,bus=pcie.0,addr=0x2,rng=rng0",
      "-blockdev",
      R"({"discard":"unmap","driver":"file","filename":"/p/a.qcow2","node-name":"disk0-file"})",
      "-blockdev",
      R"({"backing":null,"discard":"unmap","driver":"qcow2","file":"disk0-file","node-name":"disk0"})",
      "-device",
      "virtio-blk-pci,id=disk0-device,bus=pcie.0,addr=0x4,drive=disk0,bootindex=1,serial=vda",
      "-blockdev",
      R"({"discard":"unmap","driver":"file","filename":"/p/b.raw","node-name":"disk1-file"})",
      "-blockdev",
      R"({"discard":"unmap","driver":"raw","file":"disk1-file","node-name":"disk1"})",
      "-device",
      "virtio-blk-pci,id=disk1-device,bus=pcie.0,addr=0x5,drive=disk1,bootindex=2,serial=data",
      "-netdev",
      "tap,id=net0,fd=13,vhost=off",
      "-device",
      "virtio-net-pci,romfile=,host_ufo=off,guest_ufo=off,guest_uso4=off,guest_uso6=off,host_uso=off,"
      "id=net0-device,bus=pcie.0,addr=0x14,netdev=net0,mac=52:54:00:00:00:01",
      "-netdev",
      "user,id=net1,hostfwd=tcp:127.0.0.1:8080-:80",
      "-device",
      "virtio-net-pci,romfile=,host_ufo=off,guest_ufo=off,guest_uso4=off,guest_uso6=off,host_uso=off,"
      "id=net1-device,bus=pcie.0,addr=0x15,netdev=net1,mac=52:54:00:00:00:02"};
  EXPECT_EQ(line(small_vm()), golden);
}

bool has(const std::vector<std::string>& arguments, std::string_view option, std::string_view value) {
  for (std::size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i] == option && arguments[i + 1].starts_with(value)) return true;
  }
  return false;
}

TEST(CommandLine, AnIncomingMachineWaitsAndIsOtherwiseTheSame) {
  auto incoming = line(small_vm(), StartMode::kIncoming);
  EXPECT_TRUE(has(incoming, "-incoming", "defer"));
  const auto at = std::ranges::find(incoming, "-incoming");
  incoming.erase(at, at + 2);
  EXPECT_EQ(incoming, line(small_vm()));
}

TEST(CommandLine, UefiKernelSharedMemoryAndKvm) {
  VmDefinition vm = small_vm();
  vm.firmware = Firmware::kUefi;
  vm.has_kernel = vm.has_initrd = true;
  vm.cmdline = "console=ttyS0 a,b";
  vm.memory_shared = vm.memory_preallocate = true;
  vm.cpu = "Nehalem";
  const auto got =
      line(vm, StartMode::kBoot,
           {.program = "qemu", .accelerator = Accelerator::kKvm, .uefi_code = "/ovmf", .kvm_fd_set = 9});
  EXPECT_TRUE(has(got, "-machine",
                  "pc-q35-9.2,memory-backend=ram0,graphics=off,smm=off,vmport=off,"
                  "dump-guest-core=off,pflash0=firmware,pflash1=vars"));
  EXPECT_TRUE(has(got, "-object", "memory-backend-memfd,id=ram0,size=1024M,share=on,prealloc=on"));
  EXPECT_TRUE(has(got, "-kernel", "/s/vms/1/kernel"));
  EXPECT_TRUE(has(got, "-append", "console=ttyS0 a,b"));
  EXPECT_TRUE(has(got, "-add-fd", "fd=9,set=1"));
  EXPECT_TRUE(has(got, "-accel", "kvm,device=/dev/fdset/1"));
  EXPECT_TRUE(has(got, "-cpu", "Nehalem,enforce=on"));
}

TEST(CommandLine, BridgeAndVlanCommands) {
  using Commands = std::vector<std::vector<std::string>>;
  EXPECT_EQ(bridge_commands("sealift0", {.bridge = "br0", .vlan = {}}),
            (Commands{{"ip", "link", "set", "dev", "sealift0", "master", "br0"},
                      {"ip", "link", "set", "dev", "sealift0", "up"}}));
  EXPECT_EQ(bridge_commands("sealift0", {.bridge = "br0", .vlan = 10}),
            (Commands{{"ip", "link", "set", "dev", "sealift0", "master", "br0"},
                      {"bridge", "vlan", "del", "dev", "sealift0", "vid", "1"},
                      {"bridge", "vlan", "add", "dev", "sealift0", "vid", "10", "pvid", "untagged"},
                      {"ip", "link", "set", "dev", "sealift0", "up"}}));
}

}  // namespace
}  // namespace sealift::hypervisor::qemu
