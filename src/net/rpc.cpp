#include "net/rpc.hpp"

#include <list>

#include "base/guarded.hpp"

namespace sealift::net {

namespace {

Status send_body(Stream& stream, RpcType type, const std::string& body, Deadline deadline, const Stop& stop) {
  if (body.size() > kRpcBodyBytesMax)
    return fail(Code::kInvalid, "a message of {} bytes is over the limit", body.size());
  return send_frame(stream, FrameClass::kRpc, static_cast<std::uint16_t>(type), as_bytes(body), deadline,
                    stop);
}

Result<Result<Json>> decode_answer(const Frame& frame, std::uint64_t id) {
  if (frame.frame_class == FrameClass::kRpc && frame.type == static_cast<std::uint16_t>(RpcType::kResult))
    return decode_rpc_result(frame.body, id);
  if (frame.frame_class == FrameClass::kRpc && frame.type == static_cast<std::uint16_t>(RpcType::kError))
    return decode_rpc_error(frame.body, id);
  return fail(Code::kInvalid, "not an answer");
}

}  // namespace

struct RpcClient::Impl {
  struct Line {
    TlsStream stream;
    std::uint64_t next_id = 1;
  };
  struct State {
    std::list<Line> idle;
    std::size_t open = 0;  // idle ones and those in use
  };
  DialOptions options;
  crypto::Identity identity;
  std::size_t connections_max;
  Guarded<State> state;

  Result<Line> take(Deadline deadline, const Stop& stop);
  void put_back(Line line);
  void drop();
};

// An idle connection that is still whole, or a new one; waits when all are in use.
Result<RpcClient::Impl::Line> RpcClient::Impl::take(Deadline deadline, const Stop& stop) {
  constexpr Milliseconds kLook{20};
  while (true) {
    {
      auto locked = state.lock();
      locked.wait_until(std::chrono::steady_clock::now() + kLook,
                        [&](const State& s) { return !s.idle.empty() || s.open < connections_max; });
      while (!locked->idle.empty()) {
        Line line = std::move(locked->idle.front());
        locked->idle.pop_front();
        if (line.stream.idle_and_open()) return line;
        --locked->open;
      }
      if (locked->open < connections_max) {
        ++locked->open;
        break;
      }
    }
    if (stop.stopped()) return fail(Code::kCancelled, "stopped");
    if (deadline.passed())
      return fail(Code::kTimeout, "all connections to {} are busy", options.hello.host_name);
  }
  auto dialled = dial_peer(options, identity, deadline, stop);
  if (!dialled) {
    drop();
    return std::unexpected(dialled.error());
  }
  return Line{.stream = std::move(dialled->stream)};
}

void RpcClient::Impl::put_back(Line line) {
  state.lock()->idle.push_back(std::move(line));
  state.notify_all();
}

void RpcClient::Impl::drop() {
  --state.lock()->open;
  state.notify_all();
}

RpcClient::RpcClient(DialOptions options, const crypto::Identity& identity, std::size_t connections_max)
    : impl_(new Impl{.options = std::move(options),
                     .identity = identity.clone(),
                     .connections_max = connections_max,
                     .state = {}}) {}

RpcClient::~RpcClient() = default;

const DialOptions& RpcClient::options() const {
  return impl_->options;
}

Result<Json> RpcClient::call(std::string_view method, const Json& params, Deadline deadline,
                             const Stop& stop) {
  Impl::Line line = SEALIFT_TRY(impl_->take(deadline, stop));
  const std::uint64_t id = line.next_id++;
  const std::string body = encode_rpc_request(id, method, params);
  Status sent = send_body(line.stream, RpcType::kRequest, body, deadline, stop);
  if (!sent) {
    impl_->drop();
    return std::unexpected(sent.error());
  }
  const auto frame = receive_frame(line.stream, kRpcBodyBytesMax, deadline, stop);
  if (!frame) {
    impl_->drop();
    Error error = frame.error();
    if (error.code == Code::kClosed) error.code = Code::kUnavailable;  // no answer: the outcome is unknown
    return because(std::move(error), method);
  }
  auto answer = decode_answer(*frame, id);
  if (!answer) {  // out of step: not used again
    impl_->drop();
    return because(std::move(answer).error(), method);
  }
  impl_->put_back(std::move(line));
  return std::move(*answer);
}

void RpcService::method(std::string name, Method method) {
  methods_[std::move(name)] = std::move(method);
}

void RpcService::serve(PeerConnection connection, const Stop& stop, const ServeLimits& limits) const {
  while (true) {
    const auto frame =
        receive_frame(connection.stream, limits.body_bytes_max, Deadline::in(limits.idle_max), stop);
    if (!frame || frame->frame_class != FrameClass::kRpc ||
        frame->type != static_cast<std::uint16_t>(RpcType::kRequest)) {
      return;
    }
    const auto request = decode_rpc_request(frame->body);
    if (!request) return;
    const auto found = methods_.find(request->method);
    const Result<Json> answer =
        found == methods_.end()
            ? Result<Json>(fail(Code::kUnsupported, "no method '{}' here", request->method))
            : found->second(connection.key, request->params, stop);
    const std::string reply =
        answer ? encode_rpc_result(request->id, *answer) : encode_rpc_error(request->id, answer.error());
    const RpcType type = answer ? RpcType::kResult : RpcType::kError;
    Status sent = send_body(connection.stream, type, reply, Deadline::in(limits.idle_max), stop);
    if (!sent && sent.error().code == Code::kInvalid) {  // too long: said, not left without an answer
      const std::string refusal = encode_rpc_error(request->id, {Code::kExhausted, sent.error().message});
      sent = send_body(connection.stream, RpcType::kError, refusal, Deadline::in(limits.idle_max), stop);
    }
    if (!sent) return;
    if (!answer && answer.error().code == Code::kUnauthorized &&
        limits.on_unauthorized == OnUnauthorized::kClose) {
      connection.stream.close();
      return;
    }
  }
}

PeerServer::Handler RpcService::handler() const {
  return [this](PeerConnection connection, const Stop& stop) { serve(std::move(connection), stop, {}); };
}

}  // namespace sealift::net
