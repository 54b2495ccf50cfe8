// The unprivileged user that QEMU runs as, and what it may reach.

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "hypervisor/qemu/machine.hpp"

namespace sealift::hypervisor::qemu {

namespace {

constexpr std::string_view kDefaultName = "sealift";
// Between Debian's ranges of package users: 64055 is libvirt-qemu's fixed uid there, the same kind of
// process.
constexpr uid_t kDefaultUid = 64055;

}  // namespace

Result<std::optional<std::pair<uid_t, gid_t>>> guest_user(const std::string& name) {
  if (::geteuid() != 0 || name == "root") return std::nullopt;
  // getpwnam is not thread-safe; the daemon asks once, before its threads.
  const passwd* entry = ::getpwnam(name.empty() ? std::string(kDefaultName).c_str() : name.c_str());
  if (entry != nullptr) return std::pair<uid_t, gid_t>(entry->pw_uid, entry->pw_gid);
  if (!name.empty()) return fail(Code::kInvalid, "there is no user '{}' on this host to run QEMU as", name);
  return std::pair<uid_t, gid_t>(kDefaultUid, kDefaultUid);
}

Status give_to_guest_user(const file::Path& path, const std::optional<std::pair<uid_t, gid_t>>& user) {
  if (!user) return {};
  if (::lchown(path.c_str(), user->first, user->second) != 0)
    return fail_errno(errno, fmt::format("give {} to QEMU's user", path.string()));
  return {};
}

Status check_reachable(const file::Path& path, const std::optional<std::pair<uid_t, gid_t>>& user) {
  if (!user) return {};
  for (file::Path at = std::filesystem::absolute(path).parent_path();; at = at.parent_path()) {
    struct stat info{};
    if (::stat(at.c_str(), &info) != 0) return fail_errno(errno, at.string());
    const unsigned mode = info.st_mode;
    const unsigned bit = info.st_uid == user->first    ? S_IXUSR
                         : info.st_gid == user->second ? S_IXGRP
                                                       : S_IXOTH;
    if ((mode & bit) == 0) {
      return fail(Code::kInvalid,
                  "QEMU's user (uid {}) cannot reach {}: {} has mode {:04o}; chmod o+x it, or choose another "
                  "place",
                  user->first, path.string(), at.string(), mode & 07777U);
    }
    if (at == at.root_path()) return {};
  }
}

Status let_guest_user_pass(const file::Path& directory, const std::optional<std::pair<uid_t, gid_t>>& user) {
  if (!user) return {};
  if (::chown(directory.c_str(), static_cast<uid_t>(-1), user->second) != 0 ||
      ::chmod(directory.c_str(), 0710) != 0) {
    return fail_errno(errno, fmt::format("let QEMU's user pass {}", directory.string()));
  }
  return {};
}

}  // namespace sealift::hypervisor::qemu
