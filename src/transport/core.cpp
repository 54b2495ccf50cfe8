#include "transport/core.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/log.hpp"
#include "net/error_wire.hpp"

namespace sealift::transport {

namespace {

constexpr Milliseconds kDialWithin{10'000};
constexpr Milliseconds kHouseEvery{50};
constexpr std::size_t kAnswerBytesMax = 2048;

// Pauses between attempts, doubling up to a limit; started again by a success.
class BackOff {
 public:
  explicit BackOff(const SessionOptions& options) : options_(options), next_(options.retry_first) {}
  void reset() { next_ = options_.retry_first; }
  bool pause(const Stop& stop) {  // true: stopped
    const Milliseconds now = next_;
    next_ = std::min(next_ * 2, options_.retry_last);
    return stop.sleep(now);
  }

 private:
  const SessionOptions& options_;
  Milliseconds next_;
};

}  // namespace

void Transcripts::add(StreamId stream, Direction direction, ByteView header, ByteView tag,
                      std::size_t plain_bytes) {
  auto entries = entries_.lock();
  Entry& entry = (*entries)[{stream, direction}];
  entry.digest.update(header);
  entry.digest.update(tag);
  ++entry.records;
  entry.bytes += plain_bytes;
}

crypto::Digest Transcripts::read(StreamId stream, Direction direction) const {
  auto entries = entries_.lock();
  const auto found = entries->find({stream, direction});
  crypto::Sha256 copy = found != entries->end() ? found->second.digest : crypto::Sha256();
  return copy.finish();
}

std::vector<StreamCounters> Transcripts::counters() const {
  std::vector<StreamCounters> list;
  auto entries = entries_.lock();
  for (const auto& [key, entry] : *entries) {
    list.push_back(
        {.stream = key.first, .direction = key.second, .records = entry.records, .bytes = entry.bytes});
  }
  return list;
}

bool options_fit(const SessionOptions& options) {
  return options.connections >= 1 && options.connections <= kConnectionsMax &&
         options.window_bytes >= kSealedBytesMax && options.window_bytes <= kWindowBytesMax &&
         options.streams_max >= 1 && options.streams_max <= kStreamsMax;
}

SessionCore::SessionCore(Side side, const SessionId& id, const Agreement& agreed,
                         const SessionOptions& options, const crypto::PublicKey& peer, crypto::Secret secret)
    : context(side, id, agreed, options, peer, std::move(secret)), control(context) {
  for (std::uint16_t index = 0; index < agreed.connections; ++index) {
    links_.push_back(std::make_unique<Link>(context, index));
  }
}

SessionCore::~SessionCore() {
  shut_down({Code::kCancelled, "the session was dropped"});
}

void SessionCore::start_initiator(std::unique_ptr<Dialer> dialer, net::TlsStream control_stream) {
  dialer_ = std::move(dialer);
  auto first =
      std::make_shared<net::TlsStream>(std::move(control_stream));  // shared: a thread's function is copied
  threads_.emplace_back([this, first] { keep_control(std::move(*first)); });
  for (std::uint16_t index = 0; index < links_.size(); ++index) {
    threads_.emplace_back([this, index] { keep_link(index); });
  }
  threads_.emplace_back([this] { keep_house(); });
}

void SessionCore::start_acceptor(net::TlsStream control_stream, Stop outer) {
  outer_ = std::move(outer);
  auto first = std::make_shared<net::TlsStream>(std::move(control_stream));
  threads_.emplace_back([this, first] { serve_control(std::move(*first), 0); });
  threads_.emplace_back([this] { keep_house(); });
}

void SessionCore::serve_control(net::TlsStream stream, std::uint64_t peer_received) {
  const Status ended = control.run(std::move(stream), peer_received);
  if (!ended) log_debug("session.control", {{"ended", ended.error().message}});
}

void SessionCore::serve_bulk(std::uint16_t link, net::TcpStream stream, const crypto::Digest& attachment) {
  const Status ended = links_[link]->run(std::move(stream), attachment);
  if (!ended) log_debug("session.bulk", {{"link", link}, {"ended", ended.error().message}});
}

// The initiator's control connection, for as long as the session lasts.
void SessionCore::keep_control(net::TlsStream first) {
  serve_control(std::move(first), 0);
  BackOff pause(context.options);
  while (!context.stop().stopped() && !context.peer_left()) {
    auto again = rejoin();
    if (again) {
      pause.reset();
      serve_control(std::move(again->first), again->second);
      continue;
    }
    if (pause.pause(context.stop())) return;
  }
}

Result<std::pair<net::TlsStream, std::uint64_t>> SessionCore::rejoin() {
  const Deadline deadline = Deadline::in(kDialWithin);
  net::PeerConnection connection = SEALIFT_TRY(dialer_->dial_control(deadline, context.stop()));
  const RejoinRequest request{.session = context.id, .received = control.received()};
  SEALIFT_TRY_STATUS(net::send_frame(connection.stream, net::FrameClass::kSession,
                                     static_cast<std::uint16_t>(ControlType::kRejoin), encode_rejoin(request),
                                     deadline, context.stop()));
  const net::Frame answer =
      SEALIFT_TRY(net::receive_frame(connection.stream, kAnswerBytesMax, deadline, context.stop()));
  if (answer.frame_class == net::FrameClass::kSession &&
      answer.type == static_cast<std::uint16_t>(ControlType::kFailed)) {
    // The other host itself says that there is nothing to come back to: no use in trying on.
    Error error = SEALIFT_TRY(net::decode_error(answer.body));
    context.fail(error, /*told_by_peer=*/true);
    return std::unexpected(std::move(error));
  }
  if (answer.frame_class != net::FrameClass::kSession ||
      answer.type != static_cast<std::uint16_t>(ControlType::kRejoined)) {
    return fail(Code::kUnavailable, "the other side answers a rejoin with something else");
  }
  const std::uint64_t received = SEALIFT_TRY(decode_count(answer.body));
  return std::pair(std::move(connection.stream), received);
}

// The initiator's bulk connection `index`, likewise.
void SessionCore::keep_link(std::uint16_t index) {
  BackOff pause(context.options);
  while (!context.stop().stopped() && !context.peer_left()) {
    auto connected = [&]() -> Result<std::pair<net::TcpStream, crypto::Digest>> {
      const Deadline deadline = Deadline::in(kDialWithin);
      net::TcpStream stream = SEALIFT_TRY(dialer_->dial_bulk(deadline, context.stop()));
      AttachRequest request{.link = index, .session = context.id};
      system_random().fill(request.nonce);
      const crypto::Digest digest =
          SEALIFT_TRY(attach(stream, request, context.secret, deadline, context.stop()));
      return std::pair(std::move(stream), digest);
    }();
    if (connected) {
      pause.reset();
      serve_bulk(index, std::move(connected->first), connected->second);
    }
    if (pause.pause(context.stop())) return;
  }
}

void SessionCore::keep_house() {
  const auto too_long = [&](const std::optional<SteadyTime>& since) {
    return since && std::chrono::steady_clock::now() - *since > context.options.reconnect_for;
  };
  while (!context.stop().sleep(kHouseEvery)) {
    if (outer_.stopped()) context.fail({Code::kCancelled, "this host is shutting down"});
    if (context.peer_left()) continue;
    bool lost = too_long(control.lost_since());
    for (const auto& link : links_) lost = lost || too_long(link->lost_since());
    if (lost) {
      context.fail(
          {Code::kUnavailable,
           fmt::format("the other host was out of reach for more than {} s",
                       std::chrono::ceil<std::chrono::seconds>(context.options.reconnect_for).count())});
    }
  }
}

bool SessionCore::claim(StreamId stream, Direction direction) {
  return claimed_.lock()->emplace(stream, direction).second;
}

bool SessionCore::all_taken() const {
  return std::ranges::all_of(links_, [](const auto& link) { return link->all_taken(); });
}

void SessionCore::shut_down(Error reason) {
  context.fail(std::move(reason));
  control.wake();
  for (const auto& link : links_) link->wake();
  std::vector<std::jthread> ending;
  {
    const std::scoped_lock lock(threads_mutex_);
    ending.swap(threads_);
  }
}

}  // namespace sealift::transport
