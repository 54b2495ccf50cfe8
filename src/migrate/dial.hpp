#pragma once

// How a source reaches a destination: the member's endpoints and key are the ledger's word. One that takes no
// connections, or none from here, calls back (net/call_back.hpp).

#include "migrate/conversation.hpp"
#include "migrate/move_manager.hpp"

namespace sealift::migrate {

constexpr std::string_view kMovePurpose = "move";

// kNotFound: no such member.
Result<std::shared_ptr<Conversation>> dial(const MoveManagerOptions& options, const ledger::HostName& to,
                                           std::uint32_t connections, Deadline deadline, const Stop& stop);

}  // namespace sealift::migrate
