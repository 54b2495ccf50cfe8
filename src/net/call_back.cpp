#include "net/call_back.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace sealift::net {

namespace {

constexpr Milliseconds kSlice{100};       // how soon a Stop is noticed
constexpr Milliseconds kBetween{2'000};   // from an answer to the next request of a host that is there
constexpr Milliseconds kIdleMax{10'000};  // a standing connection without a request has ended
constexpr Milliseconds kForgetAfter{60'000};

SteadyTime now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

CallBacks::CallBacks(Options options) : options_(options) {
  service_.method(std::string(kReachWait), [this](const crypto::PublicKey& peer, const Json& params,
                                                  const Stop& stop) { return wait(peer, params, stop); });
}

void CallBacks::attach(PeerServer& server) {
  server.on(std::string(kReachPurpose), [this](PeerConnection connection, const Stop& stop) {
    service_.serve(std::move(connection), stop, {.idle_max = kIdleMax});
  });
  server.on_call_back([this](TcpStream stream, Deadline deadline, const Stop& stop) {
    take(std::move(stream), deadline, stop);
  });
}

bool CallBacks::State::standing(const crypto::PublicKey& peer) const {
  const auto line = lines.find(peer);
  return line != lines.end() && (line->second.held > 0 || now() - line->second.seen < kBetween);
}

std::vector<CallToken> CallBacks::State::unheard(const crypto::PublicKey& peer) const {
  std::vector<CallToken> tokens;
  for (const auto& [token, wait] : waits) {
    if (wait.peer == peer && !wait.heard && !wait.stream && !wait.error) tokens.push_back(token);
  }
  return tokens;
}

// Keys come from the member list: this only keeps hosts that left from staying for ever.
void CallBacks::State::forget_old() {
  const SteadyTime old = now() - kForgetAfter;
  std::erase_if(lines, [&](const auto& entry) { return entry.second.held == 0 && entry.second.seen < old; });
  std::erase_if(in_vain, [](const auto& entry) { return entry.second < now(); });
}

Result<CallToken> CallBacks::begin(const crypto::PublicKey& peer) {
  CallToken token{};
  options_.random->fill(token);
  auto state = state_.lock();
  const auto of_peer =
      std::ranges::count_if(state->waits, [&](const auto& entry) { return entry.second.peer == peer; });
  if (static_cast<std::size_t>(of_peer) >= kCallsMax || state->waits.size() >= kWaitsMax)
    return fail(Code::kExhausted, "{} call backs are waited for already", state->waits.size());
  state->waits.emplace(token, Wait{.peer = peer, .heard = false, .stream = {}, .error = {}});
  return token;
}

Result<TcpStream> CallBacks::call(const crypto::PublicKey& peer, Deadline deadline, const Stop& stop) {
  const CallToken token = SEALIFT_TRY(begin(peer));
  state_.notify_all();
  const SteadyTime line_by = deadline.sooner(now() + options_.line_within);
  const SteadyTime end = deadline.sooner(now() + options_.call_within);
  auto state = state_.lock();
  Wait& wait = state->waits.at(token);
  bool told = false;
  while (!wait.stream && !wait.error && !stop.stopped() && now() < end) {
    told = told || wait.heard || state->standing(peer);
    if (!told && now() >= line_by) break;
    state.wait_until(std::min(now() + kSlice, end),
                     [&](const State&) { return wait.stream.has_value() || wait.error.has_value(); });
  }
  Wait ended = std::move(wait);
  state->waits.erase(token);
  if (ended.stream) return TcpStream(std::move(*ended.stream));
  if (stop.stopped()) return fail(Code::kCancelled, "stopped");
  if (ended.error) return fail(Code::kUnavailable, "it could not: {}", ended.error->message);
  if (!told) return fail(Code::kUnavailable, "it keeps no connection to this host");
  return fail(Code::kUnavailable, "it was asked to, but no connection came");
}

// The kept connection's request: held until there is a call to make.
Result<Json> CallBacks::wait(const crypto::PublicKey& peer, const Json& params, const Stop& stop) {
  const ReachWait said = SEALIFT_TRY(parse_reach_wait(params));
  const SteadyTime end = now() + options_.hold;
  auto state = state_.lock();
  const auto own = [&](const CallToken& token) {  // of this very host: others' waits are not its to end
    const auto found = state->waits.find(token);
    return found != state->waits.end() && found->second.peer == peer ? &found->second : nullptr;
  };
  for (const CallToken& token : said.heard) {
    if (Wait* wait = own(token)) wait->heard = true;
  }
  for (const FailedCall& call : said.failed) {
    if (Wait* wait = own(call.token); wait != nullptr && !wait->stream) wait->error = call.error;
  }
  state->forget_old();
  Line& line = state->lines[peer];
  const std::uint64_t turn = ++line.turn;
  ++line.held;
  state_.notify_all();
  std::vector<CallToken> calls;
  while (calls.empty() && line.turn == turn && !stop.stopped() && now() < end) {
    state.wait_until(std::min(now() + kSlice, end), [&](const State& s) {
      calls = s.unheard(peer);
      return !calls.empty() || line.turn != turn;
    });
  }
  --line.held;
  line.seen = now();
  if (line.turn != turn) calls.clear();  // a newer connection tells them
  return calls_to_json(calls);
}

void CallBacks::take(TcpStream stream, Deadline deadline, const Stop& stop) {
  std::array<std::uint8_t, kCallPreambleBytes> bytes{};
  if (!read_exact(stream, bytes, deadline, stop)) return;
  const auto token = decode_call_preamble(bytes);
  const std::string from = stream.peer();
  bool taken = false;
  if (token) {
    auto state = state_.lock();
    const auto found = state->waits.find(*token);
    taken = found != state->waits.end() && !found->second.stream && !found->second.error;
    if (taken) found->second.stream.emplace(std::move(stream));
  }
  if (taken) {
    state_.notify_all();
  } else {
    log_info("peer.call_back_refused", {{"from", from}, {"reason", "nobody waits for it (any more)"}});
  }
}

bool CallBacks::standing(const crypto::PublicKey& peer) const {
  return state_.lock()->standing(peer);
}

void CallBacks::reached(const crypto::PublicKey& peer, bool by_address) {
  auto state = state_.lock();
  if (by_address) {
    state->in_vain.erase(peer);
  } else {
    state->in_vain[peer] = now() + options_.in_vain_for;
  }
}

bool CallBacks::addresses_in_vain(const crypto::PublicKey& peer) const {
  auto state = state_.lock();
  const auto found = state->in_vain.find(peer);
  return found != state->in_vain.end() && now() < found->second;
}

std::size_t CallBacks::waiting() const {
  return state_.lock()->waits.size();
}

}  // namespace sealift::net
