#pragma once

// The TOML form of a VM's definition, as an operator writes it:
//
//   name = "web-01"                 # [a-z0-9-], 1 to 63, starts and ends with a letter or digit
//   machine = "pc-q35-9.2"          # versioned; an alias is refused: its meaning changes with QEMU's version
//   cpu = "x86-64-v2"               # fixed model; host, max and base are refused: they cannot move
//   memory = "2GiB"                 # whole MiB, 16 MiB to 4 TiB
//   vcpus = 2                       # 1 to 255
//   firmware = "bios"               # or "uefi", with its own variable store
//   kernel = "vmlinuz"              # optional; imported (copied) when the VM is created, as initrd is
//   initrd = "initrd.img"
//   cmdline = "console=ttyS0"
//   rng = true
//   autostart = false
//   autostart_order = 0             # 0 to 999, lower first
//   at_rest = "off"                 # or "sealed"
//   memory_preallocate = false
//   memory_shared = false
//   [[disk]]                        # at most 16
//   name = "root"                   # [a-z0-9-], 1 to 15; the default is vda, vdb, …
//   pool = "default"
//   size = "10GiB"                  # whole KiB; may be left out with a source: the source's size
//   format = "qcow2"                # or "raw"
//   source = "debian.qcow2"         # optional: an image to import when the VM is created
//   source_format = "qcow2"         # its format, never guessed: raw or qcow2, default: format
//   [[network]]                     # at most 8
//   name = "prod-10"
//   mac = "52:54:00:12:34:56"       # optional: made once, then part of the definition
//
// Paths of kernel, initrd and source are relative to the definition's file. They are where the VM is made
// from, not part of it: JSON says only that there is a kernel or an initrd of its own.

#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/file.hpp"
#include "hypervisor/definition.hpp"

namespace sealift::hypervisor {

// Where the VM's first contents come from; empty paths: there is none.
struct DiskSource {
  file::Path path;
  DiskFormat format = DiskFormat::kQcow2;
};
struct VmSources {
  file::Path kernel;
  file::Path initrd;
  std::vector<DiskSource> disks;  // one per disk of the definition, in its order
};

struct ParsedDefinition {
  VmDefinition definition;
  VmSources sources;
};

constexpr std::size_t kDefinitionBytesMax = 64 * 1024;

// kInvalid lists every error, one a line: "vm.toml:4: key 'memory': …". `random` makes the missing MACs.
Result<ParsedDefinition> parse_definition(std::string_view toml, const file::Path& file_name, Random& random);
Result<ParsedDefinition> load_definition(const file::Path& path, Random& random);

}  // namespace sealift::hypervisor
