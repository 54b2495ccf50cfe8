#pragma once

// The memory's parts of a seal: the transcripts of QEMU's channels, as the session counted them at this end.

#include <vector>

#include "ledger/seal.hpp"
#include "transport/session.hpp"

namespace sealift::migrate {

// "memory/main", "memory/channel-01" …; channels: multifd channels beside the main one.
std::vector<ledger::SealPart> memory_parts(const transport::Session& session, unsigned channels,
                                           transport::Direction direction);

}  // namespace sealift::migrate
