#pragma once

// Unix sockets by path, for QEMU's monitor and console. The path must fit sockaddr_un (107 bytes).

#include "base/file.hpp"

namespace sealift::hypervisor::qemu {

Result<UniqueFd> listen_unix(const file::Path& path);   // an old socket there is removed; mode 0600
Result<UniqueFd> connect_unix(const file::Path& path);  // kUnavailable: nobody listens

}  // namespace sealift::hypervisor::qemu
