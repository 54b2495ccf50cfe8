#include "migrate/custody/terms.hpp"

namespace sealift::migrate::custody {

std::string_view to_string(RecordKind kind) {
  switch (kind) {
    case RecordKind::kOffer: return "move.offer";
    case RecordKind::kAccept: return "move.accept";
    case RecordKind::kCommit: return "move.commit";
    case RecordKind::kAbort: return "move.abort";
    case RecordKind::kStarted: return "move.started";
    case RecordKind::kReturn: return "move.return";
    case RecordKind::kClosed: return "move.closed";
  }
  return "?";
}

std::string_view to_string(Message message) {
  switch (message) {
    case Message::kSeal: return "seal";
    case Message::kCancelled: return "cancelled";
    case Message::kReady: return "ready";
  }
  return "?";
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kMoved: return "moved";
    case Outcome::kAborted: return "aborted";
    case Outcome::kReturned: return "returned";
    case Outcome::kLost: return "lost";
    case Outcome::kRecovered: return "recovered";
  }
  return "?";
}

}  // namespace sealift::migrate::custody
