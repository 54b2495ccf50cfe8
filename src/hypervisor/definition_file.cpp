#include "hypervisor/definition_file.hpp"

#include "base/toml.hpp"

namespace sealift::hypervisor {

namespace {

// 52:54:00 is QEMU's customary prefix of locally administered addresses.
std::string make_mac(Random& random) {
  std::array<std::uint8_t, 3> bytes{};
  random.fill(bytes);
  return fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2]);
}

file::Path beside(const file::Path& file_name, const std::optional<std::string>& path) {
  if (!path || path->empty()) return {};
  return file_name.parent_path() / *path;  // an absolute one stays as it is
}

template <class Field, class Value>
void take(Field& field, std::optional<Value> value) {
  if (value) field = static_cast<Field>(std::move(*value));
}

void read_disk(TomlTable table, std::size_t index, const file::Path& file_name, ParsedDefinition* out) {
  DiskDefinition disk;
  disk.name = fmt::format("vd{}", static_cast<char>('a' + index % 26));
  take(disk.name, table.text("name"));
  take(disk.pool, table.text("pool"));
  take(disk.size_bytes, table.size("size"));
  if (const auto format = table.choice("format", {"raw", "qcow2"}))
    disk.format = *format == 0 ? DiskFormat::kRaw : DiskFormat::kQcow2;
  DiskSource source{.path = beside(file_name, table.text("source")), .format = disk.format};
  if (const auto format = table.choice("source_format", {"raw", "qcow2"})) {
    source.format = *format == 0 ? DiskFormat::kRaw : DiskFormat::kQcow2;
    if (source.path.empty()) table.problem("source_format", "needs a source");
  }
  if (source.path.empty()) {
    table.require("size");
  }
  out->definition.disks.push_back(std::move(disk));
  out->sources.disks.push_back(std::move(source));
}

void read_network(TomlTable table, Random& random, ParsedDefinition* out) {
  NetworkDefinition network;
  table.require("name");
  take(network.name, table.text("name"));
  network.mac = make_mac(random);
  if (auto mac = table.text("mac")) {
    for (char& c : *mac) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    network.mac = std::move(*mac);
  }
  out->definition.networks.push_back(std::move(network));
}

void read_root(TomlTable root, const file::Path& file_name, ParsedDefinition* out) {
  VmDefinition& vm = out->definition;
  root.require("name");
  root.require("memory");
  take(vm.name, root.text("name"));
  take(vm.machine, root.text("machine"));
  take(vm.cpu, root.text("cpu"));
  take(vm.memory_bytes, root.size("memory"));
  take(vm.vcpus, root.number("vcpus", 1, 255));
  if (const auto firmware = root.choice("firmware", {"bios", "uefi"}))
    vm.firmware = *firmware == 0 ? Firmware::kBios : Firmware::kUefi;
  out->sources.kernel = beside(file_name, root.text("kernel"));
  out->sources.initrd = beside(file_name, root.text("initrd"));
  vm.has_kernel = !out->sources.kernel.empty();
  vm.has_initrd = !out->sources.initrd.empty();
  take(vm.cmdline, root.text("cmdline"));
  take(vm.rng, root.boolean("rng"));
  take(vm.autostart, root.boolean("autostart"));
  take(vm.autostart_order, root.number("autostart_order", 0, 999));
  if (const auto at_rest = root.choice("at_rest", {"off", "sealed"}))
    vm.at_rest = *at_rest == 0 ? AtRest::kOff : AtRest::kSealed;
  take(vm.memory_preallocate, root.boolean("memory_preallocate"));
  take(vm.memory_shared, root.boolean("memory_shared"));
}

// What is wrong with the definition as a whole, said with the line of each key. A disk whose size is left to
// its source is fine for now, and what is missing has been said already.
void check_whole(TomlTable root, std::vector<TomlTable> disks, std::vector<TomlTable> networks,
                 const ParsedDefinition& parsed) {
  VmDefinition filled = parsed.definition;
  for (std::size_t i = 0; i < disks.size(); ++i) {
    if (!disks[i].has("size")) filled.disks[i].size_bytes = 1ULL << 30;
  }
  for (const DefinitionProblem& problem : problems_of(filled)) {
    switch (problem.part) {
      case DefinitionProblem::Part::kMachine: root.problem(problem.key, problem.message); break;
      case DefinitionProblem::Part::kDisk: disks[problem.index].problem(problem.key, problem.message); break;
      case DefinitionProblem::Part::kNetwork:
        networks[problem.index].problem(problem.key, problem.message);
        break;
    }
  }
}

}  // namespace

Result<ParsedDefinition> parse_definition(std::string_view toml, const file::Path& file_name,
                                          Random& random) {
  TomlFile file = SEALIFT_TRY(TomlFile::parse(toml, file_name.string()));
  ParsedDefinition out;
  TomlTable root = file.root();
  read_root(root, file_name, &out);
  const std::vector<TomlTable> disks = root.tables("disk");
  const std::vector<TomlTable> networks = root.tables("network");
  for (std::size_t i = 0; i < disks.size(); ++i) read_disk(disks[i], i, file_name, &out);
  for (const TomlTable& network : networks) read_network(network, random, &out);
  check_whole(root, disks, networks, out);
  SEALIFT_TRY_STATUS(file.finish());
  return out;
}

Result<ParsedDefinition> load_definition(const file::Path& path, Random& random) {
  const auto text = file::read_text(path, kDefinitionBytesMax);
  if (!text) return because(text.error(), "reading the VM's definition");
  return parse_definition(*text, path, random);
}

}  // namespace sealift::hypervisor
