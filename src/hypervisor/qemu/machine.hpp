#pragma once

// The QEMU hypervisor. open() asks the installed QEMU what it is and can do (older than 9.0: kUnsupported,
// with the reason) and whether KVM really runs guests here (a probe guest, once per boot of the host and
// version of QEMU, kept in probe_file); else TCG. QEMU runs in its own session, unprivileged where the daemon
// is root, with its sandbox on, its sockets in a 0700 directory.

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "hypervisor/hypervisor.hpp"

namespace sealift::hypervisor::qemu {

struct QemuSettings {
  std::string program = "qemu-system-x86_64";
  // The user that QEMU runs as when the daemon is root: a name, or empty for "sealift" if it exists, else the
  // fixed uid and gid 64055 (Debian's libvirt-qemu). "root": unchanged.
  std::string user;
  std::optional<Accelerator> accelerator;  // forced; nothing: probe
  file::Path probe_file;                   // empty: the probe's answer is not kept
  file::Path scratch_directory;            // short path, for the sockets of probes
  file::Path uefi_code = "/usr/share/OVMF/OVMF_CODE_4M.fd";
};

// uid and gid that QEMU runs as; nothing when the daemon is not root, or for "root". kInvalid: no such user.
Result<std::optional<std::pair<uid_t, gid_t>>> guest_user(const std::string& name);
// Gives a file to that user (nothing where there is none).
Status give_to_guest_user(const file::Path& path, const std::optional<std::pair<uid_t, gid_t>>& user);
// Lets that user's group pass through a directory of ours (0710), but not list it.
Status let_guest_user_pass(const file::Path& directory, const std::optional<std::pair<uid_t, gid_t>>& user);
// kInvalid names the directory above `path` that the user cannot pass.
Status check_reachable(const file::Path& path, const std::optional<std::pair<uid_t, gid_t>>& user);

Result<std::unique_ptr<Hypervisor>> open_qemu(const QemuSettings& settings, Deadline deadline,
                                              const Stop& stop);

}  // namespace sealift::hypervisor::qemu
