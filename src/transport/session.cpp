#include "transport/session.hpp"

#include "base/check.hpp"
#include "net/error_wire.hpp"
#include "transport/core.hpp"
#include "transport/stream_ends.hpp"

namespace sealift::transport {

namespace {

constexpr std::size_t kAnswerBytesMax = 2048;
constexpr Milliseconds kTakenLook{2};

}  // namespace

Session::Session(std::shared_ptr<SessionCore> core) : core_(std::move(core)) {}

Session::~Session() {
  core_->shut_down({Code::kCancelled, "the session was dropped"});
}

Result<std::unique_ptr<Session>> Session::initiate(std::unique_ptr<Dialer> dialer,
                                                   const SessionOptions& options, Deadline deadline,
                                                   const Stop& stop) {
  SEALIFT_CHECK(options_fit(options));
  net::PeerConnection connection = SEALIFT_TRY(dialer->dial_control(deadline, stop));
  OpenRequest request;
  system_random().fill(request.session);
  request.wanted = {.connections = static_cast<std::uint16_t>(options.connections),
                    .window_bytes = static_cast<std::uint32_t>(options.window_bytes),
                    .streams_max = static_cast<std::uint16_t>(options.streams_max)};
  SEALIFT_TRY_STATUS(net::send_frame(connection.stream, net::FrameClass::kSession,
                                     static_cast<std::uint16_t>(ControlType::kOpen), encode_open(request),
                                     deadline, stop));
  const net::Frame answer =
      SEALIFT_TRY(net::receive_frame(connection.stream, kAnswerBytesMax, deadline, stop));
  if (answer.frame_class == net::FrameClass::kSession &&
      answer.type == static_cast<std::uint16_t>(ControlType::kFailed)) {
    return std::unexpected(SEALIFT_TRY(net::decode_error(answer.body)));
  }
  if (answer.frame_class != net::FrameClass::kSession ||
      answer.type != static_cast<std::uint16_t>(ControlType::kOpened)) {
    return fail(Code::kUnavailable, "the other side opens no session");
  }
  const Agreement agreed = SEALIFT_TRY(decode_agreement(answer.body));
  if (agreed.connections != request.wanted.connections || agreed.window_bytes > request.wanted.window_bytes ||
      agreed.streams_max > request.wanted.streams_max)
    return fail(Code::kCorrupt, "the other side agrees to something else");
  auto core = std::make_shared<SessionCore>(
      Side::kInitiator, request.session, agreed, options, connection.key,
      connection.stream.export_key(kSessionLabel, request.session, kSessionSecretBytes));
  core->start_initiator(std::move(dialer), std::move(connection.stream));
  return std::unique_ptr<Session>(new Session(std::move(core)));
}

const SessionId& Session::id() const {
  return core_->context.id;
}

const crypto::PublicKey& Session::peer_key() const {
  return core_->context.peer_key;
}

Status Session::send(ByteView message, Deadline deadline, const Stop& stop) {
  return core_->control.send(message, deadline, stop);
}

Result<Bytes> Session::receive(Deadline deadline, const Stop& stop) {
  return core_->control.receive(deadline, stop);
}

StreamWriter Session::writer(StreamId id) {
  SEALIFT_CHECK(id != 0 && core_->claim(id, Direction::kSent));
  return StreamWriter(std::make_unique<StreamWriter::Impl>(core_, id));
}

StreamReader Session::reader(StreamId id) {
  SEALIFT_CHECK(id != 0 && core_->claim(id, Direction::kReceived));
  return StreamReader(std::make_unique<StreamReader::Impl>(core_, id));
}

crypto::Digest Session::transcript(StreamId id, Direction direction) const {
  return core_->transcripts.read(id, direction);
}

void Session::set_bandwidth(std::uint64_t bytes_per_second) {
  core_->context.pacer.set_rate(bytes_per_second);
}

SessionCounters Session::counters() const {
  return {.streams = core_->transcripts.counters(),
          .wire_bytes_sent = core_->context.wire_bytes_sent.load(),
          .wire_bytes_received = core_->context.wire_bytes_received.load(),
          .reconnects = core_->context.reconnects.load(),
          .duplicates_dropped = core_->context.duplicates.load()};
}

std::optional<Error> Session::failure() const {
  return core_->context.failure();
}

Status Session::close(Deadline deadline, const Stop& stop) {
  SEALIFT_TRY_STATUS(core_->control.wait_acknowledged(deadline, stop));
  while (!core_->all_taken()) {
    if (core_->context.peer_left()) return fail(Code::kClosed, "the other side has ended the session before");
    if (const auto error = core_->context.failure()) return std::unexpected(*error);
    if (deadline.passed()) return fail(Code::kTimeout, "the other side did not take everything in time");
    if (stop.sleep(kTakenLook)) return fail(Code::kCancelled, "stopped");
  }
  const Status bye = core_->control.say_bye(deadline, stop);
  if (!bye && bye.error().code != Code::kClosed) return bye;  // closed: the other side was first
  // Not a failure to be told: the other side has heard BYE.
  core_->context.fail({Code::kClosed, "the session is closed"}, /*told_by_peer=*/true);
  core_->shut_down({Code::kClosed, "the session is closed"});
  return {};
}

void Session::abort(Error reason) {
  core_->shut_down(std::move(reason));
}

}  // namespace sealift::transport
