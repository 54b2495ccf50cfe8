#pragma once

// sd_notify(3): tells the service manager where $NOTIFY_SOCKET says; nothing where there is none.

#include <string_view>

namespace sealift::app {

void notify_service_manager(std::string_view state);  // "READY=1", "STOPPING=1"

}  // namespace sealift::app
