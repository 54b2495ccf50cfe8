#pragma once

// Which process has a VM's lock file open: QEMU keeps that descriptor as long as it lives. Private to host.

#include <optional>

#include "base/process.hpp"

namespace sealift::host {

// Another process than this one that has the file open, by device and inode (the path may have changed).
std::optional<ProcessName> lock_holder(const file::Path& path);

}  // namespace sealift::host
