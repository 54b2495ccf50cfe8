#include "net/standing.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace sealift::net {

namespace {

constexpr Milliseconds kDialWithin{5'000};
constexpr Milliseconds kAnswerWithin{10'000};  // twice what the other side holds a request
constexpr Milliseconds kRedialFirst{50};

bool refused(Code code) {
  return code == Code::kRefused || code == Code::kUnauthorized || code == Code::kUnsupported ||
         code == Code::kExhausted;
}

bool same(const DialOptions& a, const DialOptions& b) {
  return a.endpoints == b.endpoints && a.expected == b.expected && a.hello == b.hello;
}

}  // namespace

StandingConnections::StandingConnections(PeerServer& server, const crypto::Identity& identity, Peers peers,
                                         Options options)
    : server_(server),
      identity_(identity.clone()),
      peers_(std::move(peers)),
      options_(options),
      looking_([this, stop = stop_.token()] { look(stop); }) {}

StandingConnections::~StandingConnections() {
  stop();
}

void StandingConnections::stop() {
  stop_.stop();
  if (looking_.joinable()) looking_.join();
}

void StandingConnections::look(const Stop& stop) {
  do {
    std::vector<DialOptions> wanted = peers_();
    if (wanted.size() > options_.peers_max) wanted.resize(options_.peers_max);
    for (Kept& kept : kept_) {
      if (std::ranges::none_of(wanted, [&](const DialOptions& to) { return same(to, kept.to); }))
        kept.stop.stop();
    }
    kept_.remove_if([](const Kept& kept) { return kept.stop.stopped(); });  // joins
    for (DialOptions& to : wanted) {
      if (std::ranges::any_of(kept_, [&](const Kept& kept) { return same(to, kept.to); })) continue;
      Kept& kept = kept_.emplace_back();
      kept.to = std::move(to);
      kept.thread = std::jthread([this, &kept] { keep(kept.to, kept.stop.token()); });
    }
  } while (!stop.sleep(options_.look_every));
  for (Kept& kept : kept_) kept.stop.stop();
  kept_.clear();
}

// One address after the other; the one that answers is kept to until it is lost.
void StandingConnections::keep(const DialOptions& to, const Stop& stop) {
  Milliseconds pause = kRedialFirst;
  for (std::size_t index = 0; !stop.stopped(); ++index) {
    DialOptions at = to;
    at.endpoints = {to.endpoints[index % to.endpoints.size()]};
    at.hello.purpose = kReachPurpose;
    bool connected = false;
    const Status ended = serve(at, stop, connected);
    if (stop.stopped()) return;
    if (connected) {
      pause = kRedialFirst;
      index += to.endpoints.size() - 1;  // the same one again
    }
    const Code code = ended.error().code;
    log_debug("peer.standing", {{"at", at.endpoints.front().text()}, {"ended", ended.error().message}});
    stop.sleep(pause);
    // A new member is refused for the moment until which the other side has seen its record; an expelled one
    // for good.
    pause = std::min(pause * 2, refused(code) ? options_.refused_max : options_.redial_max);
  }
}

Status StandingConnections::serve(const DialOptions& at, const Stop& stop, bool& connected) {
  RpcClient client(at, identity_, 1);
  // Shared: a call's thread may end after this connection.
  const auto failed = std::make_shared<Guarded<std::vector<FailedCall>>>();
  ReachWait said;
  while (true) {
    {
      auto list = failed->lock();
      said.failed = std::exchange(*list, {});
    }
    const Deadline deadline = Deadline::in(connected ? kAnswerWithin : kDialWithin + kAnswerWithin);
    const Json answer = SEALIFT_TRY(client.call(kReachWait, to_json(said), deadline, stop));
    connected = true;
    said.heard = SEALIFT_TRY(parse_calls(answer));
    for (const CallToken& token : said.heard) {
      const auto keep_failure = [failed, token](Error error) {
        auto list = failed->lock();
        if (list->size() < kCallsMax) list->push_back({token, std::move(error)});
      };
      const Status begun = server_.serve_outgoing({.to = at.endpoints.front(),
                                                   .preamble = encode_call_preamble(token),
                                                   .peer = *at.expected,
                                                   .failed = keep_failure});
      if (!begun) keep_failure(begun.error());
    }
  }
}

}  // namespace sealift::net
