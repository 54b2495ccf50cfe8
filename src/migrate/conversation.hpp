#pragma once

// The control messages of one session. Sending from any thread; receiving by one.

#include <memory>
#include <mutex>

#include "migrate/protocol.hpp"
#include "transport/session.hpp"

namespace sealift::migrate {

class Conversation {
 public:
  explicit Conversation(std::unique_ptr<transport::Session> session) : session_(std::move(session)) {}

  transport::Session& session() { return *session_; }
  Status send(const protocol::Message& message, const Stop& stop = {});
  Result<protocol::Message> receive(Deadline deadline, const Stop& stop);

 private:
  std::mutex sending_;
  std::unique_ptr<transport::Session> session_;
};

}  // namespace sealift::migrate
