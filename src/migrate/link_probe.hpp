#pragma once

// What the link carries, measured for a moment before a move: records of zeros through streams of the move's
// own session, at most about half a second and 64 MiB. The source says `probe`, the destination reads.

#include "migrate/conversation.hpp"

namespace sealift::migrate {

// Bytes a second, all streams together. `limit`: --bandwidth, which holds for the probe too; 0: none.
Result<std::uint64_t> probe_link(Conversation& talk, unsigned streams, std::uint64_t limit, Deadline deadline,
                                 const Stop& stop);
// The other end: until every stream has ended.
Status take_probe(transport::Session& session, unsigned streams, Deadline deadline, const Stop& stop);

}  // namespace sealift::migrate
