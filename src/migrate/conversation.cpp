#include "migrate/conversation.hpp"

namespace sealift::migrate {

namespace {

constexpr Milliseconds kSendPatience{30'000};

}  // namespace

Status Conversation::send(const protocol::Message& message, const Stop& stop) {
  const Bytes bytes = protocol::encode(message);
  const std::lock_guard lock(sending_);
  return session_->send(bytes, Deadline::in(kSendPatience), stop);
}

Result<protocol::Message> Conversation::receive(Deadline deadline, const Stop& stop) {
  const Bytes bytes = SEALIFT_TRY(session_->receive(deadline, stop));
  return protocol::decode(bytes);
}

}  // namespace sealift::migrate
