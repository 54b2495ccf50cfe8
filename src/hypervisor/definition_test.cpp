#include <gtest/gtest.h>

#include "base/toml.hpp"
#include "hypervisor/definition_file.hpp"
#include "hypervisor/facts.hpp"

namespace sealift::hypervisor {
namespace {

Result<ParsedDefinition> parse(std::string_view toml) {
  SeededRandom random(1);
  return parse_definition(toml, "dir/vm.toml", random);
}

constexpr std::string_view kWhole = R"(name = "web-01"
machine = "pc-q35-10.0"
cpu = "Nehalem"
memory = "2GiB"
vcpus = 4
firmware = "uefi"
kernel = "boot/vmlinuz"
initrd = "/abs/initrd"
cmdline = "console=ttyS0"
rng = false
autostart = true
autostart_order = 7
at_rest = "sealed"
memory_preallocate = true
memory_shared = true
[[disk]]
name = "root"
pool = "fast"
size = "10GiB"
format = "raw"
[[disk]]
source = "image.qcow2"
[[network]]
name = "prod-10"
mac = "52:54:00:AB:cd:ef"
[[network]]
name = "back.2"
)";

TEST(Definition, ReadsEveryKeyOfTheFile) {
  const auto parsed = parse(kWhole);
  ASSERT_TRUE(parsed) << parsed.error().message;
  const VmDefinition& vm = parsed->definition;
  EXPECT_EQ(vm.machine, "pc-q35-10.0");
  EXPECT_EQ(vm.memory_bytes, 2ULL << 30);
  EXPECT_EQ(vm.firmware, Firmware::kUefi);
  EXPECT_EQ(vm.at_rest, AtRest::kSealed);
  EXPECT_TRUE(vm.memory_preallocate && vm.memory_shared && vm.autostart && !vm.rng);
  ASSERT_EQ(vm.disks.size(), 2U);
  EXPECT_EQ(vm.disks[0].format, DiskFormat::kRaw);
  EXPECT_EQ(vm.disks[1].name, "vdb");
  EXPECT_EQ(vm.disks[1].size_bytes, 0U);
  EXPECT_EQ(parsed->sources.disks[1].path, file::Path("dir/image.qcow2"));
  EXPECT_EQ(parsed->sources.kernel, file::Path("dir/boot/vmlinuz"));
  EXPECT_EQ(parsed->sources.initrd, file::Path("/abs/initrd"));
  EXPECT_EQ(vm.networks[0].mac, "52:54:00:ab:cd:ef");
  EXPECT_TRUE(vm.networks[1].mac.starts_with("52:54:00:"));
  EXPECT_EQ(side_files(vm), (std::vector<std::string>{"vars.fd", "kernel", "initrd"}));
}

struct BadFile {
  std::string_view toml;
  std::string_view says;
};

TEST(Definition, ErrorsNameFileLineAndKey) {
  const std::vector<BadFile> table{
      {"memory = \"1GiB\"", "dir/vm.toml:1: key 'name': is missing"},
      {"name = \"a\"", "dir/vm.toml:1: key 'memory': is missing"},
      {"name = \"Web\"\nmemory = \"1GiB\"", "dir/vm.toml:1: key 'name': 'Web' must be 1 to 63"},
      {"name = \"a\"\nmemory = \"1GB\"", "dir/vm.toml:2: key 'memory': must be a size such as"},
      {"name = \"a\"\nmemory = 0", "dir/vm.toml:2: key 'memory': must be whole MiB"},
      {"name = \"a\"\nmemory = \"1GiB\"\nmachine = \"q35\"",
       "vm.toml:3: key 'machine': 'q35' is not a versioned"},
      {"name = \"a\"\nmemory = \"1GiB\"\nmachine = \"pc-q35-9.2,x=y\"", "vm.toml:3: key 'machine'"},
      {"name = \"a\"\nmemory = \"1GiB\"\ncpu = \"host\"", "vm.toml:3: key 'cpu': 'host' is another CPU"},
      {"name = \"a\"\nmemory = \"1GiB\"\ncpu = \"max\"", "vm.toml:3: key 'cpu'"},
      {"name = \"a\"\nmemory = \"1GiB\"\ncpu = \"a,b\"", "vm.toml:3: key 'cpu'"},
      {"name = \"a\"\nmemory = \"1GiB\"\nvcpus = 0", "vm.toml:3: key 'vcpus': must be a whole number from 1"},
      {"name = \"a\"\nmemory = \"1GiB\"\nvcpu = 1", "vm.toml:3: key 'vcpu': there is no such key"},
      {"name = \"a\"\nmemory = \"1GiB\"\nrng = 1", "vm.toml:3: key 'rng': must be true or false"},
      {"name = \"a\"\nmemory = \"1GiB\"\ninitrd = \"x\"", "vm.toml:3: key 'initrd': needs a kernel"},
      {"name = \"a\"\nmemory = \"1GiB\"\nfirmware = \"efi\"", "must be \"bios\" or \"uefi\""},
      {"name = \"a\"\nmemory = \"1GiB\"\ndisk = 3",
       "vm.toml:3: key 'disk': must be a list of tables: [[disk]]"},
      {"name = \"a\"\nmemory = \"1GiB\"\n[[disk]]\nformat = \"raw\"", "vm.toml:3: key 'size': is missing"},
      {"name = \"a\"\nmemory = \"1GiB\"\n[[disk]]\nsize = \"1KiB\"",
       "vm.toml:4: key 'size': must be whole KiB"},
      {"name = \"a\"\nmemory = \"1GiB\"\n[[disk]]\nsize = \"1GiB\"\nformat = \"vmdk\"",
       "vm.toml:5: key 'format'"},
      {"name = \"a\"\nmemory = \"1GiB\"\n[[disk]]\nsize = \"1GiB\"\npool = \"../x\"",
       "vm.toml:5: key 'pool'"},
      {"name = \"a\"\nmemory = \"1GiB\"\n[[disk]]\nsize = \"1GiB\"\ncache = \"x\"",
       "vm.toml:5: key 'cache': there is no such key"},
      {"name = \"a\"\nmemory = \"1GiB\"\n[[network]]\nname = \"n\"\nmac = \"53:54:00:00:00:01\"",
       "vm.toml:5: key 'mac'"},
      {"name = \"a\"\nmemory = \n", "dir/vm.toml:2: not valid TOML"},
  };
  for (const BadFile& bad : table) {
    const auto parsed = parse(bad.toml);
    ASSERT_FALSE(parsed) << bad.toml;
    EXPECT_EQ(parsed.error().code, Code::kInvalid);
    EXPECT_NE(parsed.error().message.find(bad.says), std::string::npos) << bad.toml << "\n"
                                                                        << parsed.error().message;
  }
}

TEST(Definition, SaysAllProblemsAtOnceInTheOrderOfLines) {
  const auto parsed =
      parse("name = \"A\"\nmemory = \"1GiB\"\nvcpus = 900\n[[disk]]\nsize = \"1GiB\"\nx = 1\n");
  ASSERT_FALSE(parsed);
  const std::string& text = parsed.error().message;
  EXPECT_EQ(std::ranges::count(text, '\n'), 2) << text;
  EXPECT_LT(text.find(":1:"), text.find(":3:"));
  EXPECT_LT(text.find(":3:"), text.find(":6:"));
}

TEST(Definition, JsonIsCanonicalAndComesBackEqual) {
  auto vm = parse(kWhole)->definition;
  vm.disks[1].size_bytes = 1ULL << 30;
  const auto back = from_json(to_json(vm));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, vm);
  EXPECT_EQ(canonical_bytes(*back), canonical_bytes(vm));
  EXPECT_EQ(as_text(canonical_bytes(vm)).find(' '), std::string_view::npos);
}

TEST(Definition, JsonRefusesUnknownMissingAndBadFields) {
  auto vm = parse(kWhole)->definition;
  vm.disks[1].size_bytes = 1ULL << 30;
  const Json good = to_json(vm);
  for (const auto& [name, value] : good.items()) {
    Json missing = good;
    missing.erase(name);
    EXPECT_FALSE(from_json(missing)) << name;
    Json wrong = good;
    wrong[name] = nullptr;
    EXPECT_FALSE(from_json(wrong)) << name;
  }
  Json more = good;
  more["x"] = 1;
  EXPECT_FALSE(from_json(more));
  Json newer = good;
  newer["version"] = 2U;
  EXPECT_EQ(from_json(newer).error().code, Code::kUnsupported);
  Json escape = good;
  escape["disks"][0]["name"] = "../../etc";
  EXPECT_FALSE(from_json(escape));
  Json injected = good;
  injected["networks"][0]["mac"] = "52:54:00:00:00:01,x";
  EXPECT_FALSE(from_json(injected));
}

TEST(Definition, VmIdsAreVersion4) {
  SeededRandom random(7);
  const std::string id = make_vm_id(random);
  EXPECT_TRUE(valid_vm_id(id)) << id;
  EXPECT_EQ(id[14], '4');
  EXPECT_FALSE(valid_vm_id("../" + id.substr(3)));
}

TEST(Facts, ComeBackEqualAndNameEveryReason) {
  HypervisorFacts facts{.version = "10.0.2",
                        .accelerator = Accelerator::kTcg,
                        .machines = {"pc-q35-9.2"},
                        .cpu_models = {"x86-64-v2"},
                        .migration_capabilities = {"events"},
                        .uefi_code_bytes = 0};
  const auto back = facts_from_json(to_json(facts));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->machines, facts.machines);
  EXPECT_EQ(problems_running(parse(kWhole)->definition, *back).size(), 3U);
  VmDefinition plain;
  EXPECT_TRUE(problems_running(plain, *back).empty());
}

TEST(Sizes, AreReadAndWritten) {
  EXPECT_EQ(parse_size("512MiB").value(), 512ULL << 20);
  EXPECT_EQ(parse_size("1G").value(), 1ULL << 30);
  EXPECT_EQ(parse_size("4096").value(), 4096U);
  EXPECT_EQ(format_size(10ULL << 30), "10GiB");
  for (const std::string_view bad : {"", "GiB", "-1", "1GB", "1 GiB", "99999999TiB", "1.5GiB"})
    EXPECT_FALSE(parse_size(bad)) << bad;
}

}  // namespace
}  // namespace sealift::hypervisor
